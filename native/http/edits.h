// A route's header edits, applied in order: `set` and `remove` take away what was there under the
// name, `set` and `add` put a field at the end. Internal to http/.
#pragma once

#include <span>
#include <string_view>

#include "http/head.h"
#include "http/head_writer.h"
#include "plan/plan.h"

namespace sluice::http {

/// Whether an edit takes away the fields of this name.
[[nodiscard]] inline bool isEditedAway(std::span<const plan::HeaderEdit> edits,
                                       std::string_view name) noexcept {
  for (const plan::HeaderEdit& edit : edits) {
    if (edit.op != EditOp::Add && equalsIgnoreCase(edit.name, name)) {
      return true;
    }
  }
  return false;
}

inline void writeEdits(HeadWriter& out, std::span<const plan::HeaderEdit> edits) noexcept {
  for (std::size_t i = 0; i < edits.size(); ++i) {
    if (edits[i].op != EditOp::Remove && !isEditedAway(edits.subspan(i + 1), edits[i].name)) {
      out.appendField(edits[i].name, edits[i].value);
    }
  }
}

} // namespace sluice::http
