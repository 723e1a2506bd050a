#pragma once

/// What cobus keeps in SQLite files. Needs SQLite 3.37 and the target cobus::sqlite.

#include "degrade/sqlite_spool.hpp"
#include "middleware/sqlite_deduplication.hpp"
#include "outbox/inbox.hpp"
#include "outbox/outbox.hpp"
#include "outbox/sqlite_outbox.hpp"
