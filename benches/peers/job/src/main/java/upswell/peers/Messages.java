package upswell.peers;

import com.google.protobuf.CodedOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Writes `AccountMetrics` of a day, and the part of `Handoff` that the job knows, of proto/upswell/v1. */
public final class Messages {
  private static final byte[] FIVE_NEW_USERS = "five-new-users".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] STICKY = "sticky".getBytes(StandardCharsets.US_ASCII);
  private final byte[] day = new byte[64];
  private byte[] message = new byte[512];

  private interface Fields {
    void write(CodedOutputStream out) throws IOException;
  }

  private static int write(byte[] into, Fields fields) {
    try {
      CodedOutputStream out = CodedOutputStream.newInstance(into);
      fields.write(out);
      return out.getTotalBytesWritten();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private byte[] message(byte[] account, Fields fields) {
    if (message.length < account.length + 128) message = new byte[account.length + 256];
    return Arrays.copyOf(message, write(message, fields));
  }

  public byte[] metrics(byte[] account, int of, Account figures, double stickiness) {
    int length = write(day, out -> {
      out.writeInt32(1, of);
      if (figures.dau(of) > 0) out.writeUInt32(2, figures.dau(of));
      out.writeUInt32(3, figures.wau(of));
      out.writeUInt32(4, figures.mau(of));
      if (!Double.isNaN(stickiness)) out.writeDouble(5, stickiness);
      if (figures.newUsers(of) > 0) out.writeUInt32(6, figures.newUsers(of));
      out.writeUInt32(7, figures.newUsersOfWeek(of));
    });
    return message(account, out -> {
      out.writeByteArray(1, account);
      out.writeInt64(2, Clock.end(of));
      out.writeByteArray(3, day, 0, length);
    });
  }

  public byte[] fiveNewUsers(byte[] account, long at) {
    return handoff(account, FIVE_NEW_USERS, at);
  }

  public byte[] sticky(byte[] account, int day) {
    return handoff(account, STICKY, Clock.end(day));
  }

  private byte[] handoff(byte[] account, byte[] trigger, long at) {
    return message(account, out -> {
      out.writeByteArray(2, account);
      out.writeByteArray(3, trigger);
      out.writeInt64(5, at);
    });
  }
}
