package peers;

import java.nio.file.Path;

/** What the benchmark asks of an engine, as system properties. */
final class Asked {
  static final String BROKER = of("broker");
  static final String CALLS = of("calls");
  static final String PURCHASES = of("purchases");
  static final int EVENTS = Integer.parseInt(of("events"));
  static final int PASSES = Integer.parseInt(of("passes"));
  static final Path HOME = Path.of(of("home")).toAbsolutePath();

  private Asked() {}

  /** End the process where a thread of ours fails, though the engine's own threads would go on. */
  static void endAtFault() {
    Thread.setDefaultUncaughtExceptionHandler(
        (thread, fault) -> {
          fault.printStackTrace();
          Runtime.getRuntime().halt(1);
        });
  }

  static String alerts(int pass) {
    return of("alerts") + "-" + pass;
  }

  static String group(int pass) {
    return of("group") + "-" + pass;
  }

  static Path order(int pass) {
    return HOME.resolve("order-" + pass);
  }

  private static String of(String name) {
    String value = System.getProperty(name);
    if (value == null) {
      throw new IllegalArgumentException("-D" + name + "= is missing");
    }
    return value;
  }
}
