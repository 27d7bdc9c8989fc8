import Foundation
import TestSupport

/// The executable that runs checks on ranks.
enum RankChecks {
  static let path = Launch.program("rank-checks", beside: Bundle.module)

  /// Starts it on this machine.
  static func run(ranks: Int, _ arguments: String...) throws -> Outcome {
    try Launch.run(["mpirun", "--oversubscribe", "-n", "\(ranks)", path] + arguments)
  }
}
