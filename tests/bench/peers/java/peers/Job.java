package peers;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The job that every peer does; its slow twin is tests/bench/peers/job.py.
 *
 * <p>A customer is 920 bytes, changed in place: ten numbers, 24 hours of calls and seconds, 90 days of margin and
 * cost. Cents are multiples of 1/16, so that floats of 32 bits add up exactly.
 */
public final class Job {
  public static final int SIZE = 920;
  public static final int FLAGS = 2;

  private static final long HOUR_MS = 3_600_000L;
  private static final long DAY_MS = 86_400_000L;
  private static final int HOURS = 24;
  private static final int DAYS = 90;
  private static final int CALLS_AT = 56;
  private static final int SECONDS_AT = 104;
  private static final int MARGIN_AT = 200;
  private static final int COST_AT = 560;

  private static final VarHandle I = view(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle S = view(short[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle F = view(float[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle D = view(double[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle OUT_D = view(double[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle OUT_L = view(long[].class, ByteOrder.BIG_ENDIAN);

  private static final byte[][] NAMES = {text("value_destroyer"), text("churn_risk")};
  private static final byte[] ID = text("id");
  private static final byte[] CUSTOMER = text("customer_id");
  private static final byte[] ALERT = text("alert");
  private static final byte[] ON = text("on");
  private static final byte[] TS = text("ts_ms");
  private static final byte[] NET = text("net_cents");
  private static final byte[] CALLS = text("calls");
  private static final byte[] CHANCE = text("chance");

  private final byte[] room = new byte[256];
  private int before;
  private int after;
  private int calls;
  private int seconds;
  private double margin;
  private double cost;
  private double net;
  private double chance;

  private static VarHandle view(Class<?> of, ByteOrder order) {
    return MethodHandles.byteArrayViewVarHandle(of, order);
  }

  /** Take an event into a customer's state; true when a flag changed. */
  public boolean update(byte[] b, Event e) {
    int hour = (int) (e.tsMs / HOUR_MS);
    int day = (int) (e.tsMs / DAY_MS);
    int newestHour = (int) I.get(b, 0);
    int newestDay = (int) I.get(b, 4);
    int repeat = (int) I.get(b, 8);
    double sentiment = (double) D.get(b, 16);
    double escalation = (double) D.get(b, 24);
    before = (int) I.get(b, 12);
    margin = (double) D.get(b, 32);
    cost = (double) D.get(b, 40);
    calls = (int) I.get(b, 48);
    seconds = (int) I.get(b, 52);
    if (hour > newestHour) {
      passHours(b, newestHour, hour);
      newestHour = hour;
    }
    if (day > newestDay) {
      passDays(b, newestDay, day);
      newestDay = day;
    }
    if (e.call) {
      if (hour > newestHour - HOURS) {
        addCall(b, hour % HOURS, e.handleS);
      }
      if (day > newestDay - DAYS) {
        cost += add(b, COST_AT + 4 * (day % DAYS), 400.0 + e.handleS * 1.5625 + (e.escalated ? 2000.0 : 0.0));
      }
      repeat = e.resolved ? 0 : Math.min(repeat + 1, 1000);
      sentiment += 0.25 * (e.sentiment - sentiment);
      escalation += 0.25 * ((e.escalated ? 1.0 : 0.0) - escalation);
    } else if (day > newestDay - DAYS) {
      margin += add(b, MARGIN_AT + 4 * (day % DAYS), e.revenueCents - e.costCents);
    }
    judge(repeat, sentiment, escalation);
    I.set(b, 0, newestHour);
    I.set(b, 4, newestDay);
    I.set(b, 8, repeat);
    I.set(b, 12, after);
    D.set(b, 16, sentiment);
    D.set(b, 24, escalation);
    D.set(b, 32, margin);
    D.set(b, 40, cost);
    I.set(b, 48, calls);
    I.set(b, 52, seconds);
    return after != before;
  }

  private void passHours(byte[] b, int from, int to) {
    if (calls == 0) {
      return;
    }
    if (to - from >= HOURS) {
      Arrays.fill(b, CALLS_AT, MARGIN_AT, (byte) 0);
      calls = 0;
      seconds = 0;
      return;
    }
    for (int hour = from + 1; hour <= to; hour++) {
      int at = hour % HOURS;
      int left = (short) S.get(b, CALLS_AT + 2 * at) & 0xffff;
      if (left != 0) {
        calls -= left;
        seconds -= (int) I.get(b, SECONDS_AT + 4 * at);
        S.set(b, CALLS_AT + 2 * at, (short) 0);
        I.set(b, SECONDS_AT + 4 * at, 0);
      }
    }
  }

  private void passDays(byte[] b, int from, int to) {
    if (to - from >= DAYS) {
      Arrays.fill(b, MARGIN_AT, SIZE, (byte) 0);
      margin = 0;
      cost = 0;
      return;
    }
    for (int day = from + 1; day <= to; day++) {
      margin -= taken(b, MARGIN_AT + 4 * (day % DAYS));
      cost -= taken(b, COST_AT + 4 * (day % DAYS));
    }
  }

  private static float taken(byte[] b, int at) {
    float was = (float) F.get(b, at);
    if (was != 0) {
      F.set(b, at, 0f);
    }
    return was;
  }

  private static double add(byte[] b, int at, double cents) {
    F.set(b, at, (float) ((float) F.get(b, at) + cents));
    return cents;
  }

  private void addCall(byte[] b, int at, int handleS) {
    S.set(b, CALLS_AT + 2 * at, (short) (((short) S.get(b, CALLS_AT + 2 * at) & 0xffff) + 1));
    I.set(b, SECONDS_AT + 4 * at, (int) I.get(b, SECONDS_AT + 4 * at) + handleS);
    calls++;
    seconds += handleS;
  }

  /** The chance to lose the customer, and both flags with a border to enter and another to leave by. */
  private void judge(int repeat, double sentiment, double escalation) {
    net = margin - cost;
    double mean = calls != 0 ? (double) seconds / calls : 0.0;
    double z = -3.2 + 0.8 * repeat + 0.2 * calls + 0.001 * mean + 1.5 * escalation - sentiment
        - 0.00005 * Math.max(-20000.0, Math.min(20000.0, net));
    chance = 1.0 / (1.0 + Math.exp(-z));
    boolean destroys = (before & 1) != 0 ? net <= -6000.0 : net < -10000.0;
    boolean leaves = (before & 2) != 0 ? chance >= 0.40 : chance > 0.70;
    after = (destroys ? 1 : 0) | (leaves ? 2 : 0);
  }

  /** Whether the last update changed this flag. */
  public boolean changed(int flag) {
    return ((before ^ after) >> flag & 1) != 0;
  }

  /** The alert of a flag that the last update changed, as msgpack. */
  public byte[] alert(int flag, Event e, byte[] key) {
    room[0] = (byte) 0x88;
    int at = whole(put(1, ID), e.id);
    at = put(at, CUSTOMER);
    room[at++] = (byte) (0xa0 | key.length);
    System.arraycopy(key, 0, room, at, key.length);
    at = put(put(at + key.length, ALERT), NAMES[flag]);
    at = put(at, ON);
    room[at++] = (byte) ((after >> flag & 1) != 0 ? 0xc3 : 0xc2);
    at = whole(put(at, TS), e.tsMs);
    at = real(put(at, NET), net);
    at = whole(put(at, CALLS), calls);
    at = real(put(at, CHANCE), chance);
    return Arrays.copyOf(room, at);
  }

  private int whole(int at, long value) {
    room[at] = (byte) 0xd3;
    OUT_L.set(room, at + 1, value);
    return at + 9;
  }

  private int real(int at, double value) {
    room[at] = (byte) 0xcb;
    OUT_D.set(room, at + 1, value);
    return at + 9;
  }

  private int put(int at, byte[] text) {
    System.arraycopy(text, 0, room, at, text.length);
    return at + text.length;
  }

  private static byte[] text(String of) {
    byte[] plain = of.getBytes(StandardCharsets.US_ASCII);
    byte[] packed = new byte[plain.length + 1];
    packed[0] = (byte) (0xa0 | plain.length);
    System.arraycopy(plain, 0, packed, 1, plain.length);
    return packed;
  }
}
