package upswell.peers.flink;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import upswell.peers.Clock;
import upswell.peers.Events;
import upswell.peers.Progress;

/**
 * The job in Flink, in one JVM: exactly once, state on the heap. The arguments are the brokers, the name of the
 * application, the topics of the log, the metrics and the handoffs, the folder of checkpoints, and the parallelism.
 */
public final class App {
  private App() {}

  /** Events as account, user and time. */
  public static final class Source implements KafkaRecordDeserializationSchema<Tuple3<String, String, Long>> {
    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Tuple3<String, String, Long>> out)
        throws IOException {
      Events.read(record.value(), (account, user, time) -> out.collect(Tuple3.of(text(account), text(user), time)));
    }

    private static String text(byte[] bytes) {
      return new String(bytes, StandardCharsets.UTF_8);
    }

    @Override
    public TypeInformation<Tuple3<String, String, Long>> getProducedType() {
      return TypeInformation.of(new TypeHint<>() {});
    }
  }

  /** Both topics. */
  public record Sink(String metrics, String handoffs)
      implements KafkaRecordSerializationSchema<Tuple3<Boolean, byte[], byte[]>> {
    @Override
    public ProducerRecord<byte[], byte[]> serialize(
        Tuple3<Boolean, byte[], byte[]> message, KafkaSinkContext context, Long timestamp) {
      return new ProducerRecord<>(message.f0 ? metrics : handoffs, message.f1, message.f2);
    }
  }

  public static void main(String[] arguments) throws Exception {
    int parallelism = Integer.parseInt(arguments[6]);
    Configuration settings = new Configuration();
    settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
    settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + arguments[5]);
    settings.set(PipelineOptions.OBJECT_REUSE, true);
    settings.set(TaskManagerOptions.NUM_TASK_SLOTS, parallelism);
    settings.set(TaskManagerOptions.NETWORK_MEMORY_MIN, MemorySize.ofMebiBytes(64));
    settings.set(TaskManagerOptions.NETWORK_MEMORY_MAX, MemorySize.ofMebiBytes(64));
    var environment = StreamExecutionEnvironment.createLocalEnvironment(parallelism, settings);
    // Partitions may be read at different speeds: frequent watermarks keep them close to each other.
    environment.getConfig().setAutoWatermarkInterval(50);
    environment.enableCheckpointing(Integer.getInteger("commit.ms", 10_000), CheckpointingMode.EXACTLY_ONCE);

    var source = KafkaSource.<Tuple3<String, String, Long>>builder()
        .setBootstrapServers(arguments[0])
        .setGroupId(arguments[1])
        .setTopics(arguments[2])
        .setStartingOffsets(OffsetsInitializer.earliest())
        .setDeserializer(new Source())
        .setProperty("max.poll.records", "2000")
        .build();
    var sink = KafkaSink.<Tuple3<Boolean, byte[], byte[]>>builder()
        .setBootstrapServers(arguments[0])
        .setRecordSerializer(new Sink(arguments[3], arguments[4]))
        .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
        .setTransactionalIdPrefix(arguments[1])
        // Its default of an hour is more than a broker allows.
        .setProperty("transaction.timeout.ms", "600000")
        .setProperty("batch.size", Integer.toString(128 << 10))
        .setProperty("linger.ms", "20")
        .setProperty("buffer.memory", Integer.toString(64 << 20))
        .setProperty("compression.type", System.getProperty("compression", "none"))
        .build();
    var watermarks = WatermarkStrategy
        .<Tuple3<String, String, Long>>forBoundedOutOfOrderness(Duration.ofMillis(Clock.LATENESS))
        .withTimestampAssigner((event, written) -> event.f2)
        .withWatermarkAlignment("log", Duration.ofHours(24), Duration.ofMillis(50));
    environment.fromSource(source, watermarks, "log").uid("log")
        .keyBy(event -> event.f0, Types.STRING)
        .process(new Fold()).uid("fold")
        .returns(new TypeHint<Tuple3<Boolean, byte[], byte[]>>() {})
        .sinkTo(sink).uid("sink");
    Progress.start();
    environment.execute(arguments[1]);
  }
}
