package peers;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;

/** The clock of one pass, and the order in which its events came, so that the result can be checked. */
public final class Meter {
  public final CountDownLatch done = new CountDownLatch(1);

  private final int[] order;
  private int seen;
  private long firstNs;
  private long lastNs;

  public Meter(int events) {
    order = new int[events];
  }

  /** One event is done. More than were sent are a fault, and end the pass as one. */
  public void hit(long id) {
    if (seen == 0) {
      firstNs = System.nanoTime();
    }
    order[seen++] = (int) id;
    if (seen == order.length) {
      lastNs = System.nanoTime();
      done.countDown();
    }
  }

  /** Print the pass as one line of JSON, once the engine has committed, and leave the order behind as a file. */
  public void report(Path orderFile) throws IOException {
    long committedNs = System.nanoTime();
    if (seen != order.length) {
      throw new IllegalStateException("only " + seen + " of " + order.length + " events came");
    }
    ByteBuffer bytes = ByteBuffer.allocate(4 * order.length);
    bytes.asIntBuffer().put(order);
    Files.write(orderFile, bytes.array());
    System.out.printf(Locale.ROOT, "{\"eps\": %.1f, \"eps_committed\": %.1f, \"rss_mb\": %.1f}%n",
        seen / ((lastNs - firstNs) / 1e9), seen / ((committedNs - firstNs) / 1e9), peakKb() / 1024.0);
    System.out.flush();
  }

  private static long peakKb() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return Long.parseLong(line.replaceAll("\\D", ""));
      }
    }
    throw new IllegalStateException("this system does not say how much memory a process took at most");
  }
}
