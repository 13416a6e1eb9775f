package upswell.peers.flink;

import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import upswell.peers.Account;
import upswell.peers.Clock;
import upswell.peers.Days;
import upswell.peers.Messages;
import upswell.peers.Progress;

/**
 * Folds the accounts of a subtask: the days of their users, their figures, and for each account with active users a timer
 * for the close of the next day. The output is the topic (true: metrics), the key and the message.
 */
final class Fold extends KeyedProcessFunction<String, Tuple3<String, String, Long>, Tuple3<Boolean, byte[], byte[]>> {
  private transient MapState<String, Long> users;
  private transient ValueState<Account> accounts;
  private transient Messages messages;

  @Override
  public void open(OpenContext context) {
    users = getRuntimeContext().getMapState(new MapStateDescriptor<>("users", Types.STRING, Types.LONG));
    accounts = getRuntimeContext().getState(new ValueStateDescriptor<>("account", AccountSerializer.INSTANCE));
    messages = new Messages();
  }

  @Override
  public void processElement(
      Tuple3<String, String, Long> event, Context context, Collector<Tuple3<Boolean, byte[], byte[]>> out)
      throws Exception {
    int day = Clock.day(event.f2);
    Long days = users.get(event.f1);
    if (days == null) {
      Account account = accounts.value();
      if (account == null) account = new Account();
      boolean fires = account.join(event.f2);
      users.put(event.f1, Days.first(day));
      await(account, day, context);
      accounts.update(account);
      if (fires) {
        byte[] id = id(event.f0);
        out.collect(Tuple3.of(false, id, messages.fiveNewUsers(id, event.f2)));
      }
    } else if (!Days.has(days, day)) {
      Account account = accounts.value();
      if (account.visit(days, day)) {
        users.put(event.f1, Days.add(days, day));
        await(account, day, context);
        accounts.update(account);
      }
    }
    Progress.EVENTS.increment();
  }

  private static void await(Account account, int day, Context context) {
    if (account.awaited > 0) return;
    // Days that the watermark has passed are closed.
    long passed = context.timerService().currentWatermark() + 1;
    account.awaited = Math.max(day, passed > 0 ? Clock.day(passed) : 0);
    context.timerService().registerEventTimeTimer(Clock.end(account.awaited) - 1);
  }

  @Override
  public void onTimer(long at, OnTimerContext context, Collector<Tuple3<Boolean, byte[], byte[]>> out) throws Exception {
    int day = Clock.day(at);
    Account account = accounts.value();
    if (account.mau(day) > 0) {
      byte[] id = id(context.getCurrentKey());
      double stickiness = account.stickiness(day);
      out.collect(Tuple3.of(true, id, messages.metrics(id, day, account, stickiness)));
      if (account.close(stickiness) > 0) out.collect(Tuple3.of(false, id, messages.sticky(id, day)));
    }
    boolean goesOn = day < account.until();
    account.awaited = goesOn ? day + 1 : 0;
    if (goesOn) context.timerService().registerEventTimeTimer(at + Clock.DAY);
    accounts.update(account);
  }

  private static byte[] id(String account) {
    return account.getBytes(StandardCharsets.UTF_8);
  }
}
