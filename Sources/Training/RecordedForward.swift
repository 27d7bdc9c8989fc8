import Models
import Plans
import Programs

/// A forward of one rank that nothing is learnt from, as it was recorded, with all that its simulation
/// needs.
public struct RecordedForward: Sendable {
  /// What it was for, as a title has it.
  public var name: String
  /// What this rank did.
  public var ledger: Ledger
  public var architecture: Architecture
  public var plan: Plan
  public var purpose: Purpose
  /// By microbatch of this rank, the keys that the queries of all its rows met in their caches; empty where
  /// nothing is cached.
  public var keys: [Int]
}

extension ForwardRank {
  /// The last forward.
  func recorded(_ name: String) -> RecordedForward {
    let rows = plan.microbatchSize
    let cached = backend.cached
    return RecordedForward(
      name: name, ledger: ledger, architecture: architecture, plan: plan,
      purpose: backend.assignment.purpose,
      keys: stride(from: 0, to: cached.count, by: rows).map { first in
        cached[first..<first + rows].reduce(rows, +)
      })
  }
}
