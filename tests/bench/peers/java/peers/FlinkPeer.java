package peers;

import java.nio.charset.StandardCharsets;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Flink in one process, parallelism 1: state on the heap, and source, judge and sink chained into one task. */
public final class FlinkPeer {
  // The job's parts are made anew by Flink from serialized ones; what belongs to this process is found here.
  private static volatile Meter meter;

  private FlinkPeer() {}

  /** What travels inside the job: bytes, which are decoded beside the state. */
  public static class Raw {
    public String key;
    public byte[] value;
    public boolean call;
  }

  /** An alert on its way out. */
  public static class Out {
    public byte[] key;
    public byte[] value;
  }

  private static final class Reading implements KafkaRecordDeserializationSchema<Raw> {
    private final String callsTopic;
    private String topic;
    private boolean calls;

    Reading(String callsTopic) {
      this.callsTopic = callsTopic;
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Raw> out) {
      if (!record.topic().equals(topic)) {
        topic = record.topic();
        calls = topic.equals(callsTopic);
      }
      Raw raw = new Raw();
      raw.key = new String(record.key(), StandardCharsets.ISO_8859_1);
      raw.value = record.value();
      raw.call = calls;
      out.collect(raw);
    }

    @Override
    public TypeInformation<Raw> getProducedType() {
      return TypeInformation.of(Raw.class);
    }
  }

  private static final class Judge extends KeyedProcessFunction<String, Raw, Out> {
    private transient ValueState<byte[]> customer;
    private transient Event event;
    private transient Job job;
    private transient Meter clock;

    @Override
    public void open(OpenContext context) {
      customer = getRuntimeContext().getState(
          new ValueStateDescriptor<>("customer", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
      event = new Event();
      job = new Job();
      clock = meter;
    }

    @Override
    public void processElement(Raw raw, Context context, Collector<Out> out) throws Exception {
      event.decode(raw.value, raw.call);
      byte[] state = customer.value();
      if (state == null) {
        state = new byte[Job.SIZE];
      }
      boolean changed = job.update(state, event);
      customer.update(state);
      for (int flag = 0; changed && flag < Job.FLAGS; flag++) {
        if (job.changed(flag)) {
          Out alert = new Out();
          alert.key = raw.key.getBytes(StandardCharsets.ISO_8859_1);
          alert.value = job.alert(flag, event, alert.key);
          out.collect(alert);
        }
      }
      clock.hit(event.id);
    }
  }

  private static Configuration settings() {
    Configuration said = new Configuration();
    said.setString("state.backend.type", "hashmap");
    said.setString("execution.checkpointing.storage", "filesystem");
    said.setString("execution.checkpointing.dir", Asked.HOME.resolve("checkpoints").toUri().toString());
    said.setString("io.tmp.dirs", Asked.HOME.resolve("io").toString());
    said.setString("taskmanager.memory.network.max", "64mb");
    said.setString("taskmanager.memory.network.min", "64mb");
    said.setString("execution.buffer-timeout.interval", "10 ms");
    said.setString("rest.port", "0");
    said.setString("restart-strategy.type", "none");
    return said;
  }

  private static KafkaSource<Raw> source(int pass) {
    return KafkaSource.<Raw>builder()
        .setBootstrapServers(Asked.BROKER)
        .setTopics(Asked.CALLS, Asked.PURCHASES)
        .setGroupId(Asked.group(pass))
        .setStartingOffsets(OffsetsInitializer.earliest())
        .setBounded(OffsetsInitializer.latest())
        .setDeserializer(new Reading(Asked.CALLS))
        .setProperty("max.poll.records", "5000")
        .setProperty("max.partition.fetch.bytes", "4194304")
        .build();
  }

  private static KafkaSink<Out> sink(String topic) {
    Properties producer = new Properties();
    producer.put("linger.ms", "50");
    producer.put("batch.size", "262144");
    return KafkaSink.<Out>builder()
        .setBootstrapServers(Asked.BROKER)
        .setKafkaProducerConfig(producer)
        .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
        .setRecordSerializer(
            (KafkaRecordSerializationSchema<Out>)
                (out, context, timestamp) -> new ProducerRecord<>(topic, out.key, out.value))
        .build();
  }

  public static void main(String[] none) throws Exception {
    Asked.endAtFault();
    for (int pass = 0; pass < Asked.PASSES; pass++) {
      meter = new Meter(Asked.EVENTS);
      StreamExecutionEnvironment job = StreamExecutionEnvironment.createLocalEnvironment(1, settings());
      job.getConfig().enableObjectReuse();
      job.enableCheckpointing(5000, CheckpointingMode.AT_LEAST_ONCE);
      DataStream<Raw> in = job.fromSource(source(pass), WatermarkStrategy.noWatermarks(), "in");
      DataStreamUtils.reinterpretAsKeyedStream(in, raw -> raw.key, Types.STRING)
          .process(new Judge(), TypeInformation.of(Out.class))
          .sinkTo(sink(Asked.alerts(pass)));
      job.execute("peer");
      meter.report(Asked.order(pass));
    }
  }
}
