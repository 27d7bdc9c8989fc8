extension Schedule {
  /// No order on a placement ends before the longest of three.
  ///
  /// - One microbatch goes down and up.
  /// - A rank waits for the shortest way to one of its stages and then has its own work, in as many pairs as
  ///   its forwards and backwards make.
  /// - Until the first backward can be on a rank it carries out forwards by themselves at most, and what
  ///   these would have saved in pairs is lost: with `e` the earliest backward, `h` the earliest forward,
  ///   `W` the rank's work, `f` its shortest forward and `d` the most that a forward adds to the backward
  ///   that it is merged with, it ends no earlier than `e + W − d (e − h) / f`. For `k` forwards before `e`
  ///   leave `k` backwards that are in no pair, beside each of which one of them adds `d` at most, so that
  ///   the rest takes `W − k d` at least; and `k f ≤ e − h`, or the rest begins later by what is beyond.
  ///
  /// - Complexity: the square of the stages of each rank.
  public static func leastMakespan(
    on placement: Placement, ranks: Int, microbatches: Int, _ costs: StageCosts
  ) -> Int {
    let stages = costs.forward.count
    let downward = (0..<stages).map(costs.leastForward)
    let upward = (0..<stages).map(costs.leastBackward)
    let down = downward.reduce(0, +)
    var bound = down + upward.reduce(0, +)
    for rank in 0..<ranks {
      let own = placement.stages(of: rank, of: stages, microbatches: microbatches)
      guard let head = own.map({ downward[..<$0].reduce(0, +) }).min(),
        let turned = own.map({ down + upward[($0 + 1)...].reduce(0, +) }).min()
      else { continue }
      let work = costs.leastWork(own, count: microbatches / placement.directions)
      bound = max(bound, head + work)
      let shortest = own.map(costs.leastForward).min() ?? 0
      guard shortest > 0, !costs.merged.isEmpty else { continue }
      let added = own.flatMap { forward in own.map { costs.added(by: forward, to: $0) } }.max() ?? 0
      let wide = (turned - head).multipliedReportingOverflow(by: max(0, added))
      // What does not fit says nothing; the other two bounds stay.
      guard !wide.overflow else { continue }
      // Rounded up, since what it is taken from has to stay below.
      let lost = wide.partialValue / shortest + 1
      bound = max(bound, turned + work - lost)
    }
    return bound
  }
}

extension StageCosts {
  /// The shortest cells that carry a forward and a backward of a stage.
  fileprivate func leastForward(_ stage: Int) -> Int {
    min(forward[stage], merged.isEmpty ? .max : merged[stage].min() ?? .max)
  }

  fileprivate func leastBackward(_ stage: Int) -> Int {
    min(min(backward[stage], backwardInput[stage]), merged.map { $0[stage] }.min() ?? .max)
  }

  /// A backward by itself, whole or in halves.
  private func alone(_ stage: Int) -> Int {
    min(backward[stage], backwardInput[stage] + backwardWeight[stage])
  }

  /// What a forward adds to a backward, merged with it or behind it.
  fileprivate func added(by forward: Int, to backward: Int) -> Int {
    min(self.forward[forward], merged[forward][backward] - alone(backward))
  }

  /// What `count` microbatches of each of these stages take one rank in the best of pairs: of the most that
  /// every forward could save and the most that every backward could, the smaller counts.
  fileprivate func leastWork(_ stages: [Int], count: Int) -> Int {
    let apart = stages.reduce(0) { $0 + forward[$1] + alone($1) }
    guard !merged.isEmpty else { return count * apart }
    func saved(_ forward: Int, _ backward: Int) -> Int {
      self.forward[forward] - added(by: forward, to: backward)
    }
    let byForwards = stages.reduce(0) { sum, one in
      sum + (stages.map { saved(one, $0) }.max() ?? 0)
    }
    let byBackwards = stages.reduce(0) { sum, one in
      sum + (stages.map { saved($0, one) }.max() ?? 0)
    }
    return count * (apart - min(byForwards, byBackwards))
  }
}

extension Placement {
  /// Stages of a rank, one twice where it has it for both directions.
  fileprivate func stages(of rank: Int, of stages: Int, microbatches: Int) -> [Int] {
    [0, microbatches - 1].prefix(directions).flatMap { microbatch in
      (0..<stages).filter {
        self.rank(ofStage: $0, microbatch: microbatch, microbatchCount: microbatches) == rank
      }
    }
  }
}
