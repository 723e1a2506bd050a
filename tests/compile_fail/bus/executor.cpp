// expects: cobus: a bus takes an executor that converts to asio::any_io_executor
#include <cobus/cobus.hpp>

struct no_executor {};

void wrong() { cobus::bus bus{no_executor(), cobus::settings()}; }
