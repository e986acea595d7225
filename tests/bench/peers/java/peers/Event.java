package peers;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** One event, decoded from a msgpack map into the same object again and again. Unknown fields are passed over. */
public final class Event {
  private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
  private static final int TRUE = 0xc3;

  public boolean call;
  public long id;
  public long tsMs;
  public int handleS;
  public boolean resolved;
  public boolean escalated;
  public double sentiment;
  public long revenueCents;
  public long costCents;

  private byte[] from;
  private int at;

  /** Take in one value; its fields are told apart by their first letter, which is enough for ours. */
  public void decode(byte[] value, boolean isCall) {
    from = value;
    at = 0;
    call = isCall;
    int head = from[at++] & 0xff;
    if ((head & 0xf0) != 0x80) {
      throw new IllegalArgumentException("not a small map");
    }
    for (int left = head & 15; left > 0; left--) {
      int length = from[at++] & 0xff;
      if ((length & 0xe0) != 0xa0) {
        throw new IllegalArgumentException("a field's name is no short text");
      }
      length &= 31;
      byte first = from[at];
      at += length;
      field(first, length);
    }
  }

  private void field(byte first, int length) {
    switch (first) {
      case 'i' -> id = whole();
      case 't' -> tsMs = whole();
      case 'h' -> handleS = (int) whole();
      case 'e' -> escalated = (from[at++] & 0xff) == TRUE;
      case 's' -> sentiment = real();
      case 'r' -> {
        if (length == "resolved".length()) {
          resolved = (from[at++] & 0xff) == TRUE;
        } else {
          revenueCents = whole();
        }
      }
      case 'c' -> {
        if (length == "cost_cents".length()) {
          costCents = whole();
        } else {
          skip();
        }
      }
      default -> skip();
    }
  }

  private long whole() {
    int head = from[at++] & 0xff;
    if (head < 0x80) {
      return head;
    }
    if (head >= 0xe0) {
      return (byte) head;
    }
    int size = 1 << (head & 3);
    int start = at;
    at += size;
    return switch (head) {
      case 0xcc -> from[start] & 0xff;
      case 0xcd -> (from[start] & 0xff) << 8 | from[start + 1] & 0xff;
      case 0xce -> (int) INT.get(from, start) & 0xffffffffL;
      case 0xcf, 0xd3 -> (long) LONG.get(from, start);
      case 0xd0 -> from[start];
      case 0xd1 -> (short) ((from[start] & 0xff) << 8 | from[start + 1] & 0xff);
      case 0xd2 -> (int) INT.get(from, start);
      default -> throw new IllegalArgumentException("no whole number: " + head);
    };
  }

  private double real() {
    if ((from[at] & 0xff) != 0xcb) {
      return whole();
    }
    at += 9;
    return Double.longBitsToDouble((long) LONG.get(from, at - 8));
  }

  private void skip() {
    int head = from[at++] & 0xff;
    if ((head & 0xe0) == 0xa0) {
      at += head & 31;
    } else {
      throw new IllegalArgumentException("cannot pass over " + head);
    }
  }
}
