package upswell.peers;

/** The days of one user, in a long: the last active day in the low 16 bits, and above it a bit for each of the 48 days up to it. */
public final class Days {
  private static final int WIDTH = 48;

  private Days() {}

  public static long first(int day) {
    return 1L << 16 | day;
  }

  public static int last(long days) {
    return (int) (days & 0xffff);
  }

  /** Whether the user was active on this day, or it is too long ago to know. */
  public static boolean has(long days, int day) {
    int back = last(days) - day;
    return back >= 0 && (back >= WIDTH || (days >>> 16 + back & 1) != 0);
  }

  public static long add(long days, int day) {
    int ahead = day - last(days);
    if (ahead <= 0) return days | 1L << 16 - ahead;
    long mask = ahead >= WIDTH ? 0 : days >>> 16 << ahead;
    return (mask | 1) << 16 | day;
  }

  /** Whether the user was active on one of these days, both included. */
  public static boolean hasAny(long days, int from, int to) {
    for (int day = Math.min(to, last(days)); day >= from; day--) if (has(days, day)) return true;
    return false;
  }
}
