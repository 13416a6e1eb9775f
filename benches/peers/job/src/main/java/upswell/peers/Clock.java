package upswell.peers;

/** Days since 1970 of milliseconds, UTC, and when they close. */
public final class Clock {
  public static final long DAY = 86_400_000;
  /** A day closes this much after its end. */
  public static final long LATENESS = 3_600_000;

  private Clock() {}

  public static int day(long time) {
    return (int) Math.floorDiv(time, DAY);
  }

  /** The first day that is open after an event of this time. */
  public static int open(long time) {
    return day(time - LATENESS);
  }

  public static long end(int day) {
    return (day + 1) * DAY;
  }
}
