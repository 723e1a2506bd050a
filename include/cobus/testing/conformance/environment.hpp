#pragma once

#include "../../settings.hpp"
#include "../../transport/transport.hpp"
#include "traits.hpp"

#include <chrono>
#include <concepts>
#include <string>

namespace cobus::testing {

/// What a case knows of a fixture.
class environment {
public:
    environment() = default;
    environment(const environment&) = delete;
    auto operator=(const environment&) -> environment& = delete;
    virtual ~environment() = default;

    [[nodiscard]] virtual auto traits() const noexcept -> const transport_traits& = 0;
    /// Makes transports that meet in the same place.
    [[nodiscard]] virtual auto transport() -> transport_factory = 0;
    virtual void configure(settings& how) = 0;
    virtual void create_topic(const std::string& name, int partitions) = 0;
    virtual void add_partitions(const std::string& topic, int total) = 0;
    virtual void leave_gap(const std::string& topic) = 0;
    virtual void stall() = 0;
    virtual void resume() = 0;
    virtual void disturb() = 0;
    virtual void down() = 0;
    virtual void up() = 0;
    virtual void move_leaders(const std::string& topic) = 0;
    virtual void move_coordinator(const std::string& group) = 0;
    virtual void refuse(request what) = 0;
    virtual void answer_after(std::chrono::milliseconds time) = 0;
};

/// A fixture says how to reach one transport. One is made for each case, by its default
/// constructor. Besides `transport()` everything is found by the compiler if it is there.
template <class Fixture>
concept conformance_fixture = std::default_initializable<Fixture> && requires(Fixture& fixture) {
    { Fixture::traits } -> std::convertible_to<const transport_traits&>;
    { fixture.transport() } -> std::convertible_to<transport_factory>;
};

/// A user's fixture behind the interface.
template <conformance_fixture Fixture> class environment_of final : public environment {
    static constexpr bool stalls = requires(Fixture& fixture) {
        fixture.stall();
        fixture.resume();
        fixture.disturb();
    };
    static constexpr bool restarts = requires(Fixture& fixture) {
        fixture.down();
        fixture.up();
    };
    static constexpr bool grows =
        requires(Fixture& fixture) { fixture.add_partitions(std::string(), 1); };
    static constexpr bool has_cluster_faults = requires(Fixture& fixture) {
        fixture.move_leaders(std::string());
        fixture.move_coordinator(std::string());
        fixture.refuse(request::publish);
        fixture.answer_after(std::chrono::milliseconds());
    };
    static_assert(has_cluster_faults || !Fixture::traits.cluster_faults.there(),
                  "cobus: a fixture with faults of a cluster has move_leaders(), "
                  "move_coordinator(), refuse() and answer_after()");
    static_assert(grows || !Fixture::traits.growing_topics.there(),
                  "cobus: a fixture whose topics grow has add_partitions()");
    static constexpr bool leaves_gaps =
        requires(Fixture& fixture) { fixture.leave_gap(std::string()); };
    static_assert(leaves_gaps || !Fixture::traits.offset_gaps.there(),
                  "cobus: a fixture whose offsets have gaps has leave_gap()");
    static_assert(stalls || !Fixture::traits.fault_injection.there(),
                  "cobus: a fixture that injects faults has stall(), resume() and disturb()");
    static_assert(
        restarts || !Fixture::traits.restartable.there(),
        "cobus: a fixture that restarts what is behind its transport has down() and up()");

public:
    [[nodiscard]] auto traits() const noexcept -> const transport_traits& override {
        return Fixture::traits;
    }
    [[nodiscard]] auto transport() -> transport_factory override { return fixture_.transport(); }
    void configure(settings& how) override {
        if constexpr (requires { fixture_.configure(how); }) {
            fixture_.configure(how);
        }
    }
    void create_topic(const std::string& name, int partitions) override {
        if constexpr (requires { fixture_.create_topic(name, partitions); }) {
            fixture_.create_topic(name, partitions);
        }
    }
    void add_partitions(const std::string& topic, int total) override {
        if constexpr (grows) {
            fixture_.add_partitions(topic, total);
        }
    }
    void leave_gap(const std::string& topic) override {
        if constexpr (leaves_gaps) {
            fixture_.leave_gap(topic);
        }
    }
    void stall() override {
        if constexpr (stalls) {
            fixture_.stall();
        }
    }
    void resume() override {
        if constexpr (stalls) {
            fixture_.resume();
        }
    }
    void disturb() override {
        if constexpr (stalls) {
            fixture_.disturb();
        }
    }
    void down() override {
        if constexpr (restarts) {
            fixture_.down();
        }
    }
    void up() override {
        if constexpr (restarts) {
            fixture_.up();
        }
    }

    void move_leaders(const std::string& topic) override {
        if constexpr (has_cluster_faults) {
            fixture_.move_leaders(topic);
        }
    }
    void move_coordinator(const std::string& group) override {
        if constexpr (has_cluster_faults) {
            fixture_.move_coordinator(group);
        }
    }
    void refuse(request what) override {
        if constexpr (has_cluster_faults) {
            fixture_.refuse(what);
        }
    }
    void answer_after(std::chrono::milliseconds time) override {
        if constexpr (has_cluster_faults) {
            fixture_.answer_after(time);
        }
    }

private:
    Fixture fixture_;
};

} // namespace cobus::testing
