package upswell.peers;

import java.util.concurrent.atomic.LongAdder;

/** Prints how many events were processed, ten times a second. `run` reads it. */
public final class Progress {
  public static final LongAdder EVENTS = new LongAdder();

  private Progress() {}

  public static void start() {
    Thread printer = new Thread(() -> {
      for (long before = -1; ; ) {
        long now = EVENTS.sum();
        if (now != before) System.out.println("events " + now);
        before = now;
        try {
          Thread.sleep(100);
        } catch (InterruptedException e) {
          return;
        }
      }
    });
    printer.setDaemon(true);
    printer.start();
  }
}
