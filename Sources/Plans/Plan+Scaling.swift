import Models
import Schedules

/// A plan made small enough to be trained on a few CPU ranks, with what it lost on the way.
public struct ScaledPlan: Hashable, Sendable {
  public var plan: Plan
  /// What was dropped or changed, a short sentence each.
  public var changes: [String]
}

extension Plan {
  /// The sequences that small plans have, in tokens.
  private static let shortSequence = 128

  /// The same schedule with as many stages on a rank, on so many CPU ranks.
  ///
  /// As many pipeline ranks stay as divide the ranks and the schedule admits, then expert ranks among the
  /// data ranks; microbatches stay in proportion to pipeline ranks. What CPU ranks do not do goes.
  ///
  /// - Throws: `PlanError` where the schedule admits no number of pipeline ranks that divides the ranks.
  public func scaled(toRanks ranks: Int, for architecture: Architecture) throws(PlanError)
    -> ScaledPlan
  {
    var scaled = forCPURanks()
    var failure: PlanError?
    let pipelines = (1...ranks).filter { ranks % $0 == 0 && $0 <= pipelineParallel }
    for pipeline in pipelines.reversed() {
      scaled.pipelineParallel = pipeline
      scaled.dataParallel = ranks / pipeline
      scaled.expertParallel = Self.experts(
        upTo: expertParallel, over: scaled.dataParallel, of: architecture)
      // Whole rounds of the pipeline: interleaved schedules take no others, DualPipe two directions of them.
      let rounds = (microbatchCount + pipelineParallel - 1) / pipelineParallel
      let microbatches = pipeline * max(2, rounds + rounds % 2)
      scaled.globalBatch = microbatches * scaled.dataParallel * microbatchSize
      do {
        _ = try scaled.validated(for: architecture, on: .ranks(ranks))
        return ScaledPlan(plan: scaled, changes: changes(to: scaled))
      } catch {
        failure = failure ?? error
      }
    }
    throw failure ?? .rankCount(ranks: ranks, plan: worldSize, product: product)
  }

  /// The plan without what CPU ranks do not do, or what says nothing to them.
  private func forCPURanks() -> Plan {
    var plan = Plan()
    plan.name = name
    plan.source = source
    plan.schedule = schedule
    plan.stagesPerRank = stagesPerRank
    plan.passTimes = passTimes
    plan.sendMode = sendMode
    plan.recomputation = recomputation
    plan.microbatchSize = microbatchSize
    plan.sequenceLength = min(sequenceLength, Self.shortSequence)
    plan.zeroStage = zeroStage == .nothing ? .nothing : .optimizer
    plan.precision = .float32
    plan.overlap.pipelineSends = overlap.pipelineSends
    plan.overlap.expertExchange = overlap.expertExchange
    plan.overlap.gradientReduction = overlap.gradientReduction
    return plan
  }

  /// Expert ranks among data ranks: the most that divide both them and the experts.
  private static func experts(
    upTo most: Int, over ranks: Int, of architecture: Architecture
  ) -> Int {
    let experts = architecture.feedForwards.compactMap(\.mixture).map(\.routedExperts)
    guard !experts.isEmpty else { return 1 }
    return (1...ranks).last { count in
      count <= most && ranks % count == 0 && experts.allSatisfy { $0 % count == 0 }
    } ?? 1
  }

  /// What another plan has otherwise, by the lines of their files.
  private func changes(to other: Plan) -> [String] {
    func settings(_ plan: Plan) -> [(key: String, value: String)] {
      var outer = ""
      return plan.yaml.split(separator: "\n").map { line in
        let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
        let key = String(parts[0].drop { $0 == " " })
        let value = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
        if !line.hasPrefix(" ") { outer = key }
        return (line.hasPrefix(" ") ? "\(outer).\(key)" : key, value)
      }
    }
    let (old, new) = (settings(self), settings(other))
    let gone = old.compactMap { key, value -> String? in
      guard !value.isEmpty else { return nil }
      let kept = new.first { $0.key == key }?.value
      guard kept != value else { return nil }
      return kept.map { "\(key) \(value) becomes \($0)" } ?? "\(key) \(value) is dropped"
    }
    let added = new.compactMap { key, value in
      value.isEmpty || old.contains { $0.key == key } ? nil : "\(key) becomes \(value)"
    }
    return gone + added
  }
}
