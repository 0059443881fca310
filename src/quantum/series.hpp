// Exponentials from + - * / alone. libm's last bits differ between CPUs, and what the simulator
// draws must not.
#pragma once

namespace quoin {

// e^-x and 1 - e^-x for x >= 0, to about 1e-14 relative for x below 60; zero and one beyond 700.
double exp_of_minus(double x);
double one_minus_exp_of_minus(double x);

}  // namespace quoin
