package io.drey.examples;

import java.util.concurrent.ThreadLocalRandom;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;

/**
 * Moves a car on by one second of driving: the speed wanders at random, the odometer adds up. The last reading is keyed
 * state, so a restored car continues where it was; a car that starts again at 0 m has lost its state.
 */
public class Drive extends RichMapFunction<Reading, Reading> {
    private static final long serialVersionUID = 1L;
    private static final int KMH_START = 50;
    private static final int KMH_MAX = 100;
    private static final int KMH_CHANGE_MAX = 5;
    private static final double METRES_PER_SECOND_AT_1_KMH = 1 / 3.6;

    private transient ValueState<Reading> last;

    @Override
    public void open(OpenContext context) {
        last = getRuntimeContext().getState(new ValueStateDescriptor<>("last", Types.POJO(Reading.class)));
    }

    @Override
    public Reading map(Reading tick) throws Exception {
        Reading before = last.value();
        int kmh = before == null ? KMH_START : before.kmh;
        kmh += ThreadLocalRandom.current().nextInt(-KMH_CHANGE_MAX, KMH_CHANGE_MAX + 1);
        Reading now = Reading.tick(tick.car, tick.time);
        now.kmh = Math.max(0, Math.min(KMH_MAX, kmh));
        now.metres = (before == null ? 0 : before.metres) + now.kmh * METRES_PER_SECOND_AT_1_KMH;
        last.update(now);
        return now;
    }
}
