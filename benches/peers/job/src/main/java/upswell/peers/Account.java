package upswell.peers;

import java.util.Arrays;

/**
 * The figures of one account, kept so that an event that changes nothing touches none of them, and that the close of a
 * day only reads them: for each day, how many users were active on it, in the 7 and in the 28 days that end with it, and
 * how many were new on it. A day has a slot of 64, so figures hold while events are at most 36 days ahead of the close.
 */
public final class Account {
  public static final int NEW_USERS = 5;
  public static final double STICKY = 0.5;
  private static final int SLOTS = 64;
  /** The longest encoding: a header, and four arrays with a bit for each slot that is not 0. */
  private static final int ENCODED_MAX = 16 + 4 * (8 + SLOTS * 5);
  private static final ThreadLocal<byte[]> BUFFER = ThreadLocal.withInitial(() -> new byte[ENCODED_MAX]);

  /** The day of the first event, and the newest day with one; 0 if there is none. */
  private int first, newest;
  /** Whether there were 5 new users in 7 days, and stickiness was above its threshold at the last close. */
  private boolean growing, sticky;
  /** The day whose close is awaited; 0 if none is. Only Flink uses it, which has a timer for each account. */
  public int awaited;
  private final int[] active = new int[SLOTS], weekly = new int[SLOTS], monthly = new int[SLOTS], added = new int[SLOTS];

  /** A user has a first event at this time. Returns whether this makes it 5 new users in 7 days. */
  public boolean join(long time) {
    int day = Clock.day(time);
    boolean founds = first == 0 || day == first;
    reach(day);
    active[slot(day)]++;
    cover(weekly, day, day + 6);
    cover(monthly, day, day + 27);
    if (founds) return false;
    added[slot(day)]++;
    // The count can have fallen below the threshold when the last day closed, an hour after its end.
    if (growing && newUsersOfWeek(Clock.open(time)) - (Clock.open(time) == day ? 1 : 0) < NEW_USERS) growing = false;
    boolean fires = !growing && newUsersOfWeek(newest) >= NEW_USERS;
    growing |= fires;
    return fires;
  }

  /** A known user is active on a day on which they were not yet. Returns whether that counts. */
  public boolean visit(long days, int day) {
    int last = Days.last(days);
    reach(day);
    if (newest - day >= SLOTS - 28) return false;
    active[slot(day)]++;
    if (day > last) {
      cover(weekly, Math.max(day, last + 7), day + 6);
      cover(monthly, Math.max(day, last + 28), day + 27);
    } else {
      for (int end = day; end < day + 28; end++) {
        if (end < day + 7 && !Days.hasAny(days, end - 6, end)) weekly[slot(end)]++;
        if (!Days.hasAny(days, end - 27, end)) monthly[slot(end)]++;
      }
    }
    return true;
  }

  private void reach(int day) {
    if (first == 0) first = newest = day;
    for (int next = Math.max(newest + 1, day - SLOTS + 1); next <= day; next++) {
      active[slot(next)] = added[slot(next)] = 0;
      weekly[slot(next + 6)] = 0;
      monthly[slot(next + 27)] = 0;
    }
    newest = Math.max(newest, day);
  }

  private static void cover(int[] counts, int from, int to) {
    for (int day = from; day <= to; day++) counts[slot(day)]++;
  }

  private static int slot(int day) {
    return day & SLOTS - 1;
  }

  private int of(int[] counts, int day, int reach) {
    return day < first || day > newest + reach ? 0 : counts[slot(day)];
  }

  public int dau(int day) {
    return of(active, day, 0);
  }

  public int wau(int day) {
    return of(weekly, day, 6);
  }

  public int mau(int day) {
    return of(monthly, day, 27);
  }

  public int newUsers(int day) {
    return of(added, day, 0);
  }

  public int newUsersOfWeek(int day) {
    int users = 0;
    for (int of = day - 6; of <= day; of++) users += newUsers(of);
    return users;
  }

  /** Mean daily users over the monthly ones at the close of a day; NaN while it is not known. */
  public double stickiness(int day) {
    int days = Math.min(28, day - first + 1), users = mau(day);
    if (days < 7 || users == 0) return Double.NaN;
    long sum = 0;
    for (int of = day - days + 1; of <= day; of++) sum += dau(of);
    return (double) sum / ((double) days * users);
  }

  /** Takes note of stickiness at a close. Returns 1 if it rises above the threshold, -1 if it falls, 0 if it stays. */
  public int close(double stickiness) {
    boolean above = stickiness > STICKY;
    if (above == sticky) return 0;
    sticky = above;
    return above ? 1 : -1;
  }

  /** The last day on which it has users of 28 days, as far as is known. */
  public int until() {
    return newest + 27;
  }

  public byte[] encode() {
    byte[] out = BUFFER.get();
    int at = varint(out, 0, first);
    at = varint(out, at, newest);
    at = varint(out, at, awaited);
    out[at++] = (byte) ((growing ? 1 : 0) | (sticky ? 2 : 0));
    for (int[] counts : new int[][] {active, weekly, monthly, added}) at = counts(out, at, counts);
    return Arrays.copyOf(out, at);
  }

  private static int counts(byte[] out, int at, int[] counts) {
    int bits = at;
    at += 8;
    long used = 0;
    for (int slot = 0; slot < SLOTS; slot++) {
      if (counts[slot] == 0) continue;
      used |= 1L << slot;
      at = varint(out, at, counts[slot]);
    }
    for (int index = 0; index < 8; index++) out[bits + index] = (byte) (used >>> 8 * index);
    return at;
  }

  private static int varint(byte[] out, int at, int value) {
    for (; value > 127; value >>>= 7) out[at++] = (byte) (value | 128);
    out[at++] = (byte) value;
    return at;
  }

  /** Reads what `encode` wrote, or an account without events if it is null. */
  public Account decode(byte[] in) {
    if (in == null) {
      first = newest = awaited = 0;
      growing = sticky = false;
      for (int[] counts : new int[][] {active, weekly, monthly, added}) Arrays.fill(counts, 0);
      return this;
    }
    position = 0;
    first = varint(in);
    newest = varint(in);
    awaited = varint(in);
    byte flags = in[position++];
    growing = (flags & 1) != 0;
    sticky = (flags & 2) != 0;
    for (int[] counts : new int[][] {active, weekly, monthly, added}) counts(in, counts);
    return this;
  }

  private int position;

  private int varint(byte[] in) {
    int value = 0;
    for (int shift = 0; ; shift += 7) {
      byte next = in[position++];
      value |= (next & 127) << shift;
      if (next >= 0) return value;
    }
  }

  private void counts(byte[] in, int[] counts) {
    long used = 0;
    for (int index = 0; index < 8; index++) used |= (in[position++] & 255L) << 8 * index;
    Arrays.fill(counts, 0);
    for (; used != 0; used &= used - 1) counts[Long.numberOfTrailingZeros(used)] = varint(in);
  }
}
