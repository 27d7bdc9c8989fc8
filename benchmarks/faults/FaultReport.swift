import Foundation

/// What came of a run with kills.
struct FaultReport {
  /// A kill: when, in seconds since the run was started, and how many ranks there were.
  struct Kill {
    var seconds: Double
    /// When all ranks had ended.
    var gone: Double
    var ranks: Int
    /// The steps that the log had then, in their order: those behind the newest checkpoint are made again.
    var made: [Step]
  }

  /// A step that was made.
  struct Step {
    var number: Int
    /// Ranks that made it, and whether it is their first.
    var ranks: Int
    var isFirst: Bool
    /// Seconds since 1970.
    var ended: Double
    var seconds: Double
    var loss: Double

    var began: Double { ended - seconds }
  }

  var options: FaultOptions
  var wall: Double
  /// Seconds since 1970.
  var start: Double
  var kills: [Kill]
  var steps: [Step]
  var checksum: String

  /// Seconds in steps that were not made again.
  var useful: Double { steps.reduce(0) { $0 + $1.seconds } }

  var goodput: Double { useful / wall }

  /// From each kill to the beginning of the next step that counts, where no other kill came first.
  ///
  /// Noticing, starting ranks anew and loading; the steps behind the checkpoint are made again, and the log
  /// holds them once.
  var restarts: [Double] {
    kills.indices.compactMap { index in
      let time = start + kills[index].seconds
      let next = index + 1 < kills.count ? start + kills[index + 1].seconds : .infinity
      guard let step = steps.first(where: { $0.ended > time }), step.ended < next else {
        return nil
      }
      return step.ended - step.seconds - time
    }
  }

  /// Where the time went.
  var parts: FaultParts { FaultParts(steps, kills, from: start, every: options.every) }

  private var meanRestart: Double {
    restarts.reduce(0, +) / Double(max(1, restarts.count))
  }

  private var meanStep: Double { useful / Double(max(1, steps.count)) }

  var text: String {
    String(
      format: """
        %d kills in %.1f s (mean time between them %.1f s asked for), %d steps that count
        goodput %.2f %%: %.1f s in steps; a restart takes %.2f s, a step %.4f s
        checksum of the first losses %@, all equal to a run without kills
        """, kills.count, wall, options.mean, steps.count, 100 * goodput, useful, meanRestart,
      meanStep, checksum)
  }

  /// One object, for who wants to compute the same.
  var json: String {
    let list = kills.map {
      String(format: "    {\"seconds\": %.6f, \"ranks\": %d}", $0.seconds, $0.ranks)
    }
    let gaps = restarts.map { String(format: "%.6f", $0) }.joined(separator: ", ")
    return """
      {
        "seed": \(options.seed),
        "ranks": \(options.ranks),
        "mean_seconds_between_failures": \(options.mean),
        "checkpoint_every_steps": \(options.every),
        "asynchronous_checkpoints": \(options.isAsynchronous),
        "wall_seconds": \(wall),
        "useful_seconds": \(useful),
        "goodput": \(goodput),
        "steps": \(steps.count),
        "mean_step_seconds": \(meanStep),
        "restart_seconds": [\(gaps)],
        "checksum": "\(checksum)",
        "kills": [
      \(list.joined(separator: ",\n"))
        ]
      }

      """
  }
}
