#pragma once

/// The Kafka transport for `COBUS_SEPARATE_COMPILATION`: one file of the program includes this.

#include "impl/kafka.hpp"
