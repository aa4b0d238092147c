package io.drey.examples;

import java.util.Locale;

/** One look at a car. A Flink POJO, hence the public fields: they are also the schema of the saved state. */
public class Reading {
    public int car;
    /** Speed in kilometres per hour. */
    public int kmh;
    /** Distance driven since the car left the factory. */
    public double metres;
    /** Event time, milliseconds since the epoch. */
    public long time;

    public Reading() {}

    /** A moment at which a car moves on; speed and distance are not known yet. */
    static Reading tick(int car, long time) {
        Reading reading = new Reading();
        reading.car = car;
        reading.time = time;
        return reading;
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "car %d: %d km/h at %.0f m", car, kmh, metres);
    }
}
