package upswell.peers;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import java.io.IOException;

/**
 * Reads the events of a record of the log (`ProductEvent` of proto/upswell/v1/event.proto), one or a pack of them. Of the
 * fields of an event only those that the job needs are read, which costs less than generated classes would.
 */
public final class Events {
  private static final int USER = 5 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int ACCOUNT = 7 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int TIME = 8 << 3 | WireFormat.WIRETYPE_VARINT;
  private static final int PACKED = 13 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;

  /** What is done with an event. */
  public interface Each {
    void event(byte[] account, byte[] user, long time) throws IOException;
  }

  private Events() {}

  public static void read(byte[] record, Each each) throws IOException {
    CodedInputStream in = CodedInputStream.newInstance(record);
    byte[] account = null, user = null;
    long time = 0;
    for (int tag; (tag = in.readTag()) != 0; ) {
      if (tag == USER) user = in.readByteArray();
      else if (tag == ACCOUNT) account = in.readByteArray();
      else if (tag == TIME) time = in.readInt64();
      else if (tag == PACKED) read(in.readByteArray(), each);
      else in.skipField(tag);
    }
    if (account != null && user != null) each.event(account, user, time);
  }
}
