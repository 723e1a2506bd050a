#include <cobus/kafka_source.hpp>
#include <cobus/source.hpp>
