import Foundation

/// What is wrong with a command line or with what came of it.
struct FaultError: Error, CustomStringConvertible {
  var description: String
}

/// What is asked for, `key=value`.
struct FaultOptions {
  var kills = 50
  /// Seconds between two kills, on average.
  var mean = 20.0
  var seed = 1
  var ranks = 4
  /// Steps between two checkpoints.
  var every = 10
  var isAsynchronous = false
  /// Where the times of the kills go.
  var output: String?
  /// A tiny model and few kills.
  var isSmoke = false
  /// What checkpoints written behind the steps cost, in place of kills.
  var isOfCheckpoints = false
  /// How often steps with one are held against steps without.
  var pairs = 10
  /// How often every number of ranks is launched to be measured: in front of the run, behind it, and between.
  var rounds = 6

  init(_ arguments: some Sequence<String>) throws {
    if arguments.contains("--smoke") {
      (isSmoke, kills, mean, every, ranks, rounds) = (true, 2, 1, 20, 3, 3)
    }
    isOfCheckpoints = arguments.contains("checkpoints")
    if isOfCheckpoints { ranks = 2 }
    if isOfCheckpoints, isSmoke { pairs = 1 }
    for word in arguments where !["--smoke", "checkpoints"].contains(word) {
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw FaultError(description: "\(word): expected key=value") }
      func number(_ least: Int) throws -> Int {
        guard let value = Int(parts[1]), value >= least else {
          throw FaultError(description: "\(word): expected a whole number from \(least)")
        }
        return value
      }
      switch parts[0] {
      case "kills": kills = try number(1)
      case "seed": seed = try number(0)
      case "ranks": ranks = try number(2)
      case "every": every = try number(1)
      case "pairs": pairs = try number(1)
      case "rounds": rounds = try number(1)
      case "asynchronous": isAsynchronous = try number(0) > 0
      case "out": output = parts[1]
      case "mean":
        guard let value = Double(parts[1]), value > 0, value.isFinite else {
          throw FaultError(description: "\(word): expected seconds")
        }
        mean = value
      default:
        throw FaultError(
          description:
            "\(word): kills, mean, seed, ranks, every, asynchronous, pairs, rounds and out are known"
        )
      }
    }
  }
}
