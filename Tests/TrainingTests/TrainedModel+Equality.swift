import Engines
import Plans
import Programs
import Schedules
import Testing
import Training

extension TrainedModel {
  /// Trains two steps, and holds the second against what the programs say: FLOPs, memory, bytes, order.
  func expectEquality(_ plan: Plan, _ what: String) throws {
    let reports = try train(plan, steps: 2, recording: Recording(order: true))
    let known = try #require(try? ScheduleName(named: scheduleName(plan)))
    let schedule = try known.schedule(
      ranks: plan.pipelineParallel, stagesPerRank: known == .dualPipe ? nil : plan.stagesPerRank,
      microbatches: plan.microbatchCount, pairs: plan.pairs
    ).lowered(plan.transferStyle)
    let layout = try StageLayout(evenly: schedule.stageCount, of: architecture)
    let setting = LoweringSetting(plan, layout, of: architecture, target: .cpuRank)
    let programs = layout.stages.map {
      StageProgram(units: $0, of: architecture, setting)
    }
    for (rank, report) in reports.enumerated() {
      let ledger = report.ledgers[1]
      var own = RankProgram(
        schedule: schedule, rank: plan.mesh.coordinates(of: rank).pipeline,
        reductions: plan.reductionStart, overlapsSends: plan.overlaps(.pipelineSends))
      own.pairOrder = plan.pairOrder
      own.insert(GradientLanes(plan, target: .cpuRank), of: programs)
      if plan.gathersAheadOfForward { own.gatherAheadOfForwards() }
      var books = Books(
        programs, local: own.stages, ledger.exchanges,
        place: plan.mesh.expertCoordinate(of: rank))
      var engine = Engine(own, stages: programs)
      #expect(engine.advance(&books) == .finished)
      #expect(Double(ledger.matmulFLOPs + ledger.attentionFLOPs) == books.flops, "\(what)")
      #expect(ledger.peak.total == books.peak, "\(what), rank \(rank)")
      #expect(ledger.order == books.order, "\(what), rank \(rank)")
      #expect(ledger.bytes(of: .pipeline) == books.pipelineBytes, "\(what), rank \(rank)")
      let sent = [Ledger.MessageKind.dispatch, .combine, .combineBackward, .dispatchBackward]
        .reduce(0) { $0 + ledger.bytes(of: $1) }
      #expect(sent == books.exchangeBytes, "\(what), rank \(rank)")
      #expect((sent > 0) == (plan.expertParallel > 1))
    }
    if plan.expertParallel == 1, plan.dataParallel > 1 || plan.isBidirectional {
      expectReductionBytes(reports, programs, plan, what)
    }
  }

  private func scheduleName(_ plan: Plan) -> String {
    if case .named(let name) = plan.schedule { return name }
    return ""
  }

  /// Every copy but one sends each element once, in each of the sums that it contributes, and with ZeRO
  /// stage 1 gets each parameter once; without, the owner sends the whole sum once to every other copy.
  private func expectReductionBytes(
    _ reports: [RankReport], _ programs: [StageProgram], _ plan: Plan, _ what: String
  ) {
    let replicas = plan.dataParallel * (plan.isBidirectional ? 2 : 1)
    var expected = 0
    for segment in programs.flatMap(\.segments) where !segment.isShared {
      expected += 4 * segment.elements * (replicas - 1) * (segment.copies > 1 ? 1 : 0)
    }
    let sums = GradientLanes(plan, target: .cpuRank).sums
    let gathered = reports.map { $0.ledgers[1].bytes(of: .gather) }.reduce(0, +)
    let reduced = reports.map { $0.ledgers[1].bytes(of: .reduction) }.reduce(0, +)
    let hasShared = programs.contains { $0.segments.contains(where: \.isShared) }
    if hasShared {
      #expect(reduced > expected, "\(what)")
    } else if plan.zeroStage == .nothing {
      #expect(reduced == (sums + 1) * expected && gathered == 0, "\(what)")
    } else {
      #expect(reduced == sums * expected && gathered == expected, "\(what)")
    }
  }
}
