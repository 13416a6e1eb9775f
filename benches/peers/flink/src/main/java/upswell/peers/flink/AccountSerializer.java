package upswell.peers.flink;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import upswell.peers.Account;

/** Accounts are objects on the heap; in a checkpoint they are bytes with their length. */
public final class AccountSerializer extends TypeSerializerSingleton<Account> {
  public static final AccountSerializer INSTANCE = new AccountSerializer();

  @Override
  public boolean isImmutableType() {
    return false;
  }

  @Override
  public Account createInstance() {
    return new Account();
  }

  @Override
  public Account copy(Account from) {
    return new Account().decode(from.encode());
  }

  @Override
  public Account copy(Account from, Account reused) {
    return reused.decode(from.encode());
  }

  @Override
  public int getLength() {
    return -1;
  }

  @Override
  public void serialize(Account account, DataOutputView out) throws IOException {
    byte[] bytes = account.encode();
    out.writeShort(bytes.length);
    out.write(bytes);
  }

  @Override
  public Account deserialize(DataInputView in) throws IOException {
    return deserialize(new Account(), in);
  }

  @Override
  public Account deserialize(Account reused, DataInputView in) throws IOException {
    byte[] bytes = new byte[in.readUnsignedShort()];
    in.readFully(bytes);
    return reused.decode(bytes);
  }

  @Override
  public void copy(DataInputView in, DataOutputView out) throws IOException {
    int length = in.readUnsignedShort();
    out.writeShort(length);
    out.write(in, length);
  }

  @Override
  public TypeSerializerSnapshot<Account> snapshotConfiguration() {
    return new Snapshot();
  }

  /** It has had one form so far. */
  public static final class Snapshot extends SimpleTypeSerializerSnapshot<Account> {
    public Snapshot() {
      super(() -> INSTANCE);
    }
  }
}
