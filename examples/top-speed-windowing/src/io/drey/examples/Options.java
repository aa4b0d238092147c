package io.drey.examples;

import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Locale;

/** The program arguments, as {@code --name value} pairs. An unknown name or a bad value ends the job with its reason. */
final class Options {
    int cars = 2;
    double metres = 50;
    double readingsPerSecond = 20;
    Duration window = Duration.ofSeconds(10);

    private Options() {}

    static Options parse(String[] argv) {
        Options options = new Options();
        long size = 10;
        ChronoUnit unit = ChronoUnit.SECONDS;
        for (int i = 0; i < argv.length; i += 2) {
            if (i + 1 == argv.length) {
                throw new IllegalArgumentException(argv[i] + " needs a value");
            }
            String value = argv[i + 1];
            switch (argv[i]) {
                case "--windowSize":
                    size = Long.parseLong(value);
                    break;
                case "--windowUnit":
                    unit = unit(value);
                    break;
                case "--metres":
                    options.metres = Double.parseDouble(value);
                    break;
                case "--cars":
                    options.cars = Integer.parseInt(value);
                    break;
                case "--rate":
                    options.readingsPerSecond = Double.parseDouble(value);
                    break;
                default:
                    throw new IllegalArgumentException(
                            "unknown argument "
                                    + argv[i]
                                    + "; known: --windowSize, --windowUnit, --metres, --cars, --rate");
            }
        }
        if (size <= 0 || options.cars <= 0 || options.metres <= 0 || options.readingsPerSecond <= 0) {
            throw new IllegalArgumentException("every number must be greater than 0");
        }
        options.window = Duration.of(size, unit);
        return options;
    }

    private static ChronoUnit unit(String text) {
        switch (text.toLowerCase(Locale.ROOT)) {
            case "milliseconds":
                return ChronoUnit.MILLIS;
            case "seconds":
                return ChronoUnit.SECONDS;
            case "minutes":
                return ChronoUnit.MINUTES;
            case "hours":
                return ChronoUnit.HOURS;
            case "days":
                return ChronoUnit.DAYS;
            default:
                throw new IllegalArgumentException(
                        "--windowUnit " + text + "; use milliseconds, seconds, minutes, hours or days");
        }
    }
}
