// expects: cobus: a fixture with faults of a cluster has move_leaders(), move_coordinator(),
// expects: cobus: a fixture whose topics grow has add_partitions()
// expects: cobus: a fixture whose offsets have gaps has leave_gap()
// expects: cobus: a fixture that injects faults has stall(), resume() and disturb()
// expects: cobus: a fixture that restarts what is behind its transport has down() and up()
#include <cobus/cobus.hpp>
#include <cobus/testing/conformance/environment.hpp>

// Says that it can do everything, and has nothing to do it with.
struct boaster {
    static constexpr cobus::testing::transport_traits traits{};
    auto transport() -> cobus::transport_factory;
};

cobus::testing::environment_of<boaster> wrong;
