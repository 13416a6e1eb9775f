package upswell.peers.streams;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import upswell.peers.Account;
import upswell.peers.Clock;
import upswell.peers.Days;
import upswell.peers.Events;
import upswell.peers.Messages;
import upswell.peers.Progress;

/**
 * Folds a partition. The store of users has their days by account and user, the store of accounts their figures, and by
 * the empty key the first open day. An event on a day that is known of its user is one read and no write.
 */
final class Fold implements Processor<byte[], byte[], byte[], byte[]>, Events.Each {
  private static final Bytes OPEN = Bytes.wrap(new byte[0]);
  private final Account account = new Account();
  private final Messages messages = new Messages();
  private ProcessorContext<byte[], byte[]> context;
  private KeyValueStore<Bytes, byte[]> users, accounts;
  private long written;
  private int open;

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    this.context = context;
    users = context.getStateStore(App.USERS);
    accounts = context.getStateStore(App.ACCOUNTS);
    byte[] stored = accounts.get(OPEN);
    open = stored == null ? 0 : (int) read(stored);
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    written = record.timestamp();
    try {
      Events.read(record.value(), this);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void event(byte[] id, byte[] user, long time) {
    int day = Clock.day(time), opens = Clock.open(time);
    if (opens > open) {
      if (open > 0) for (int of = open; of < opens; of++) close(of);
      open = opens;
      accounts.put(OPEN, bytes(open));
    }
    byte[] key = new byte[id.length + 1 + user.length];
    System.arraycopy(id, 0, key, 0, id.length);
    System.arraycopy(user, 0, key, id.length + 1, user.length);
    Bytes userKey = Bytes.wrap(key);
    byte[] stored = users.get(userKey);
    if (stored == null) {
      Bytes accountKey = Bytes.wrap(id);
      account.decode(accounts.get(accountKey));
      boolean fires = account.join(time);
      users.put(userKey, bytes(Days.first(day)));
      accounts.put(accountKey, account.encode());
      if (fires) context.forward(new Record<>(id, messages.fiveNewUsers(id, time), written), App.HANDOFFS);
    } else if (!Days.has(read(stored), day)) {
      Bytes accountKey = Bytes.wrap(id);
      account.decode(accounts.get(accountKey));
      if (account.visit(read(stored), day)) {
        users.put(userKey, bytes(Days.add(read(stored), day)));
        accounts.put(accountKey, account.encode());
      }
    }
    Progress.EVENTS.increment();
  }

  private void close(int day) {
    List<KeyValue<Bytes, byte[]>> changed = new ArrayList<>();
    try (KeyValueIterator<Bytes, byte[]> all = accounts.all()) {
      while (all.hasNext()) {
        KeyValue<Bytes, byte[]> entry = all.next();
        byte[] id = entry.key.get();
        if (id.length == 0) continue;
        account.decode(entry.value);
        if (account.mau(day) == 0) continue;
        double stickiness = account.stickiness(day);
        context.forward(new Record<>(id, messages.metrics(id, day, account, stickiness), written), App.METRICS);
        int change = account.close(stickiness);
        if (change != 0) changed.add(KeyValue.pair(entry.key, account.encode()));
        if (change > 0) context.forward(new Record<>(id, messages.sticky(id, day), written), App.HANDOFFS);
      }
    }
    accounts.putAll(changed);
  }

  private static byte[] bytes(long value) {
    byte[] out = new byte[8];
    for (int index = 0; index < 8; index++) out[index] = (byte) (value >>> 8 * index);
    return out;
  }

  private static long read(byte[] in) {
    long value = 0;
    for (int index = 0; index < 8; index++) value |= (in[index] & 255L) << 8 * index;
    return value;
  }
}
