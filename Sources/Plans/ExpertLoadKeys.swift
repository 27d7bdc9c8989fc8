import Documents

/// The keys of a load of experts in numbers: a file of counts, or a deviation with its seed.
struct ExpertLoadKeys: KeySet {
  let counts = Key(
    "counts", .text("path of a file"), otherwise: "deviation is required",
    "Tokens of each expert, as metrics of a run (JSON lines) or a table layer, expert, tokens.")
  let deviation = Key(
    "deviation", .fraction, otherwise: "counts is required",
    "Standard deviation of the rows that ranks receive, relative to their mean; it acts on times, and memory "
      + "is that of the mean.")
  let seed = Key("seed", .integer(), otherwise: "0", "From where the deviation's chance comes.")
  let correlation = TableKey(
    "correlation", LoadCorrelationKeys(), otherwise: "every exchange draws anew",
    "How far the rank loaded most in one exchange is so in others.")
}

/// The keys of `expert-load.correlation`.
struct LoadCorrelationKeys: KeySet {
  let layers = Key(
    "layers", .fraction, default: 0,
    "Between layers: 0 where each draws anew, 1 where all share one draw.")
  let microbatches = Key(
    "microbatches", .fraction, default: 0,
    "Between microbatches: 0 where each draws anew, 1 where all share one draw.")
}
