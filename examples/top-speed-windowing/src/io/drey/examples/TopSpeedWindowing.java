package io.drey.examples;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.util.ratelimit.RateLimiterStrategy;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.delta.DeltaFunction;
import org.apache.flink.streaming.api.windowing.assigners.GlobalWindows;
import org.apache.flink.streaming.api.windowing.evictors.TimeEvictor;
import org.apache.flink.streaming.api.windowing.triggers.DeltaTrigger;

/**
 * How fast was each car at most, lately? Answers anew whenever a car has driven another stretch of road.
 *
 * <pre>
 * ticks (car, event time) -> drive: speed and distance per car (keyed state)
 *                         -> per car: keep the last --windowSize, fire every --metres -> fastest reading -> stdout
 * </pre>
 *
 * <p>The job never ends, its state is worth keeping (odometers and window contents), and every operator has a fixed uid,
 * so a savepoint of one run starts the next one, also after a change of the arguments.
 */
public final class TopSpeedWindowing {
    private TopSpeedWindowing() {}

    public static void main(String[] argv) throws Exception {
        Options options = Options.parse(argv);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        build(env, options);
        env.execute("TopSpeedWindowing");
    }

    static void build(StreamExecutionEnvironment env, Options options) {
        int cars = options.cars;
        GeneratorFunction<Long, Reading> tick =
                index -> Reading.tick((int) (index % cars), System.currentTimeMillis());
        DataGeneratorSource<Reading> clock =
                new DataGeneratorSource<>(
                        tick,
                        Long.MAX_VALUE,
                        RateLimiterStrategy.perSecond(options.readingsPerSecond),
                        Types.POJO(Reading.class));
        WatermarkStrategy<Reading> eventTime =
                WatermarkStrategy.<Reading>forBoundedOutOfOrderness(Duration.ofSeconds(1))
                        .withTimestampAssigner((reading, unused) -> reading.time);

        DataStream<Reading> readings =
                env.fromSource(clock, eventTime, "cars")
                        .uid("cars")
                        .keyBy(reading -> reading.car)
                        .map(new Drive())
                        .name("drive")
                        .uid("drive");

        TypeInformation<Reading> type = readings.getType();
        DeltaFunction<Reading> metresBetween = (last, now) -> now.metres - last.metres;
        readings.keyBy(reading -> reading.car)
                .window(GlobalWindows.create())
                .evictor(TimeEvictor.of(options.window))
                .trigger(
                        DeltaTrigger.of(
                                options.metres,
                                metresBetween,
                                type.createSerializer(env.getConfig().getSerializerConfig())))
                .reduce((left, right) -> right.kmh > left.kmh ? right : left)
                .name("top-speed")
                .uid("top-speed")
                .print()
                .name("print")
                .uid("print");
    }
}
