package upswell.peers.tools;

import com.google.protobuf.CodedInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints how many rows of days and handoffs were committed, and a hash of each that does not depend on their order. The
 * arguments are the brokers, and topics of metrics and handoffs: `metrics:TOPIC` or `handoffs:TOPIC`.
 */
public final class Digest {
  private final long[] counts = new long[2], hashes = new long[2];

  public static void main(String[] arguments) throws IOException {
    Digest digest = new Digest();
    for (String argument : List.of(arguments).subList(1, arguments.length)) {
      String[] parts = argument.split(":", 2);
      digest.read(arguments[0], parts[1], parts[0].equals("metrics"));
    }
    System.out.printf(
        "{\"rows\": %d, \"rows_hash\": \"%016x\", \"handoffs\": %d, \"handoffs_hash\": \"%016x\"}%n",
        digest.counts[0], digest.hashes[0], digest.counts[1], digest.hashes[1]);
  }

  private void read(String brokers, String topic, boolean isMetrics) throws IOException {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", brokers);
    settings.put("isolation.level", "read_committed");
    settings.put("enable.auto.commit", "false");
    settings.put("max.poll.records", "10000");
    settings.put("key.deserializer", ByteArrayDeserializer.class);
    settings.put("value.deserializer", ByteArrayDeserializer.class);
    try (var consumer = new KafkaConsumer<byte[], byte[]>(settings)) {
      var partitions =
          consumer.partitionsFor(topic).stream().map(it -> new TopicPartition(topic, it.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      // Of a reader of committed records, the end is that of the last transaction that has ended.
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
        for (var record : consumer.poll(Duration.ofMillis(200))) {
          String line = isMetrics ? row(record.value()) : handoff(record.value());
          if (line == null) continue;
          int of = isMetrics ? 0 : 1;
          counts[of]++;
          hashes[of] += hash(line);
        }
      }
    }
  }

  /** The figures of a day in one order; null for those of a week. */
  private static String row(byte[] message) throws IOException {
    CodedInputStream in = CodedInputStream.newInstance(message);
    String account = "";
    byte[] day = null;
    for (int tag; (tag = in.readTag()) != 0; ) {
      if (tag >>> 3 == 1) account = in.readString();
      else if (tag >>> 3 == 3) day = in.readByteArray();
      else in.skipField(tag);
    }
    if (day == null) return null;
    long[] figures = new long[8];
    double stickiness = Double.NaN;
    in = CodedInputStream.newInstance(day);
    for (int tag; (tag = in.readTag()) != 0; ) {
      if (tag >>> 3 == 5) stickiness = in.readDouble();
      else if (tag >>> 3 < 8) figures[tag >>> 3] = in.readInt64();
      else in.skipField(tag);
    }
    StringBuilder line = new StringBuilder(account).append('|').append(stickiness);
    for (int of : new int[] {1, 2, 3, 4, 6, 7}) line.append('|').append(figures[of]);
    return line.toString();
  }

  private static String handoff(byte[] message) throws IOException {
    CodedInputStream in = CodedInputStream.newInstance(message);
    String account = "", trigger = "";
    long at = 0;
    for (int tag; (tag = in.readTag()) != 0; ) {
      if (tag >>> 3 == 2) account = in.readString();
      else if (tag >>> 3 == 3) trigger = in.readString();
      else if (tag >>> 3 == 5) at = in.readInt64();
      else in.skipField(tag);
    }
    return account + '|' + trigger + '|' + at;
  }

  /** FNV-1a, with the last step of MurmurHash3. */
  private static long hash(String text) {
    long hash = 0xcbf29ce484222325L;
    for (byte next : text.getBytes(StandardCharsets.UTF_8)) hash = (hash ^ next & 255) * 0x100000001b3L;
    hash = (hash ^ hash >>> 33) * 0xff51afd7ed558ccdL;
    hash = (hash ^ hash >>> 33) * 0xc4ceb9fe1a85ec53L;
    return hash ^ hash >>> 33;
  }
}
