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

  /// Seconds from the first step's beginning to the last one's end that lie in no step that counts.
  struct Lost {
    /// From kills to the end of all ranks.
    var detection = 0.0
    /// In steps that were made again, or were not made to their end.
    var recomputation = 0.0
    /// From the end of all ranks to the first step behind it, or to the next kill.
    var restart = 0.0
    /// Between steps: checkpoints, and ends and starts by which ranks are taken back.
    var between = 0.0

    var all: Double { detection + recomputation + restart + between }
  }

  /// A step that counts.
  struct Step {
    var number: Int
    /// Seconds since 1970.
    var ended: Double
    var seconds: Double
    var loss: Double
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

  /// What was lost, by kind; the sum is all that lies between steps that count.
  var lost: Lost {
    var lost = Lost()
    var gone = 0.0
    // Where the steps that count come next.
    var next = 0
    var last: Double?
    func pass(until time: Double) {
      while next < steps.count, steps[next].ended <= time {
        let begin = steps[next].ended - steps[next].seconds
        if let last { lost.between += begin - last }
        last = steps[next].ended
        next += 1
      }
    }
    for kill in kills {
      let time = start + kill.seconds
      if let first = kill.made.first(where: { $0.ended > gone }), gone > 0 {
        last = first.ended - first.seconds
        lost.restart += first.ended - first.seconds - gone
      }
      let isStarting = gone > 0 && !kill.made.contains { $0.ended > gone }
      pass(until: time)
      if isStarting {
        lost.restart += time - gone
      } else if let last {
        // What lies behind a step that counts is a checkpoint, or ranks being taken back, until a step is made in vain.
        let again = kill.made.first { $0.ended > last }
        let begin = again.map { $0.ended - $0.seconds } ?? time
        lost.between += begin - last
        lost.recomputation += time - begin
      }
      gone = start + kill.gone
      lost.detection += gone - time
      last = nil
    }
    if next < steps.count, gone > 0 {
      lost.restart += steps[next].ended - steps[next].seconds - gone
    }
    pass(until: .infinity)
    return lost
  }

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
