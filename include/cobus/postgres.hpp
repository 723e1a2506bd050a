#pragma once

/// What cobus keeps in PostgreSQL. Needs libpq and the target cobus::postgres.

#include "outbox/inbox.hpp"
#include "outbox/outbox.hpp"
#include "outbox/postgres_outbox.hpp"
