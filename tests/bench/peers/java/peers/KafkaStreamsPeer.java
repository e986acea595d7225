package peers;

import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams, Processor API: a store in memory with its cache and its changelog, one thread. */
public final class KafkaStreamsPeer {
  private static final String STORE = "customers";
  private static final String CACHE_BYTES = String.valueOf(256L << 20);

  private KafkaStreamsPeer() {}

  private static final class Judge implements Processor<byte[], byte[], byte[], byte[]> {
    private final Meter meter;
    private final Event event = new Event();
    private final Job job = new Job();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> store;
    private String topic;
    private boolean calls;

    Judge(Meter meter) {
      this.meter = meter;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
      context = given;
      store = given.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      String from = context.recordMetadata().orElseThrow().topic();
      if (!from.equals(topic)) {
        topic = from;
        calls = from.equals(Asked.CALLS);
      }
      event.decode(record.value(), calls);
      byte[] state = store.get(record.key());
      if (state == null) {
        state = new byte[Job.SIZE];
      }
      boolean changed = job.update(state, event);
      store.put(record.key(), state);
      for (int flag = 0; changed && flag < Job.FLAGS; flag++) {
        if (job.changed(flag)) {
          context.forward(record.withValue(job.alert(flag, event, record.key())));
        }
      }
      meter.hit(event.id);
    }
  }

  private static Topology topology(Meter meter, String alerts) {
    ByteArrayDeserializer in = new ByteArrayDeserializer();
    ByteArraySerializer out = new ByteArraySerializer();
    return new Topology()
        .addSource("in", in, in, Asked.CALLS, Asked.PURCHASES)
        .addProcessor("judge", () -> new Judge(meter), "in")
        .addStateStore(
            Stores.keyValueStoreBuilder(
                    Stores.inMemoryKeyValueStore(STORE), Serdes.ByteArray(), Serdes.ByteArray())
                .withLoggingEnabled(Map.of())
                .withCachingEnabled(),
            "judge")
        .addSink("out", alerts, out, out, "judge");
  }

  private static Properties settings(int pass) {
    Properties said = new Properties();
    said.put("application.id", Asked.group(pass));
    said.put("bootstrap.servers", Asked.BROKER);
    said.put("state.dir", Asked.HOME.resolve("state").toString());
    said.put("num.stream.threads", "1");
    said.put("processing.guarantee", "at_least_once");
    said.put("commit.interval.ms", "5000");
    said.put("statestore.cache.max.bytes", CACHE_BYTES);
    said.put("auto.offset.reset", "earliest");
    said.put("max.poll.records", "5000");
    said.put("buffered.records.per.partition", "5000");
    said.put("max.partition.fetch.bytes", "4194304");
    said.put("linger.ms", "50");
    said.put("batch.size", "262144");
    said.put("buffer.memory", "134217728");
    return said;
  }

  public static void main(String[] none) throws Exception {
    Asked.endAtFault();
    for (int pass = 0; pass < Asked.PASSES; pass++) {
      Meter meter = new Meter(Asked.EVENTS);
      KafkaStreams streams = new KafkaStreams(topology(meter, Asked.alerts(pass)), settings(pass));
      streams.setUncaughtExceptionHandler(
          fault -> {
            fault.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
          });
      streams.start();
      meter.done.await();
      if (!streams.close(Duration.ofSeconds(120))) {
        throw new IllegalStateException("Kafka Streams did not commit within two minutes");
      }
      meter.report(Asked.order(pass));
      streams.cleanUp();
    }
  }
}
