import Engines
import Programs
import Schedules
import Testing

/// The engine asks a world for everything that a rank's program says, in its order, once.
@Suite struct EngineTests {
  private static let forward = Worlds.program(
    [
      .acquire(BufferID(3)), .compute(0), .start(1), .start(0), .compute(1), .wait(0), .wait(1),
      .release(BufferID(3)),
    ], transfers: 2)

  private static func stage() -> StageProgram {
    var stage = Worlds.stage()
    stage.forward = forward
    stage.backwardInput = Worlds.program([.compute(7)])
    stage.backwardWeight = Worlds.program([.compute(8)])
    return stage
  }

  private static let actions: [Item] = [
    .run(Action(.forward, stage: 0, microbatch: 5)),
    .run(Action(.backwardInput, stage: 0, microbatch: 5)),
    .run(Action(.backwardWeight, stage: 0, microbatch: 5)),
  ]

  private static let expected = [
    "begin 0", "acquire 3 for 0F5", "compute 0 of 0F5", "start 1 of 0F5 as 1",
    "start 0 of 0F5 as 2", "compute 1 of 0F5", "wait 2", "wait 1", "release 3 of 0F5", "end 0",
    "begin 1", "compute 7 of 0I5", "end 1", "begin 2", "compute 8 of 0W5", "end 2",
  ]

  /// A wait is for the transfer that the same program started, whatever number the world gave it.
  @Test func stepsInTheirOrder() {
    var engine = Worlds.engine(Self.actions, [Self.stage()])
    var backend = RecordingBackend()
    #expect(engine.advance(&backend) == .finished)
    #expect(backend.log == Self.expected)
  }

  /// A wait that is not over, and an item that cannot begin, are asked for again; nothing else is.
  @Test(arguments: [1, 3]) func goesOnWhereItStopped(_ times: Int) {
    var engine = Worlds.engine(Self.actions, [Self.stage()])
    var backend = RecordingBackend(refusals: times, delays: times)
    var stops = 0
    while engine.advance(&backend) == .waiting { stops += 1 }
    #expect(backend.log == Self.expected)
    // Two waits and three beginnings.
    #expect(stops == 5 * times)
  }

  @Test func aWaitThatIsNeverOverHoldsTheRank() {
    var engine = Worlds.engine(Self.actions, [Self.stage()])
    var backend = RecordingBackend(never: [1])
    for _ in 0..<4 {
      #expect(engine.advance(&backend) == .waiting)
      #expect(engine.currentItem == 0)
    }
    #expect(backend.log == Array(Self.expected.prefix(7)))
    backend.never = []
    #expect(engine.advance(&backend) == .finished)
    #expect(backend.log == Self.expected)
    #expect(engine.currentItem == 3)
  }

  @Test func theNextStepBeginsAnew() {
    var engine = Worlds.engine(Self.actions, [Self.stage()])
    var first = RecordingBackend()
    #expect(engine.advance(&first) == .finished)
    engine.restart()
    var second = RecordingBackend(refusals: 2)
    while engine.advance(&second) == .waiting {}
    #expect(first.log == second.log)
  }

  /// What a world carries out as a whole is not walked, and does not end.
  @Test func wholeItemsAreNotWalked() {
    var engine = Worlds.engine(Self.actions, [Self.stage()])
    var backend = RecordingBackend(done: [0, 2])
    #expect(engine.advance(&backend) == .finished)
    #expect(backend.log == ["begin 0", "begin 1", "compute 7 of 0I5", "end 1", "begin 2"])
  }

  /// Messages are waited for in any order, each under the handle that its start gave.
  @Test func messagesKeepTheirHandles() {
    let transfers = (0..<3).map {
      PipelineTransfer(
        boundary: .activation, isSend: $0 == 1, stage: 0, microbatch: $0, peer: 1)
    }
    let items: [Item] = [
      .start(1), .start(0), .wait(0), .start(2), .wait(2),
      .handOver(.gradient, stage: 0, microbatch: 4), .wait(1), .agree,
    ]
    var engine = Worlds.engine(items, [Worlds.stage()], transfers: transfers)
    var backend = RecordingBackend(refusals: 1)
    while engine.advance(&backend) == .waiting {}
    let words = backend.log.filter { !$0.hasPrefix("begin") && !$0.hasPrefix("end") }
    #expect(
      words == [
        "send 1 as 1", "receive 0 as 2", "wait 2", "receive 2 as 3", "wait 3",
        "hand over gradient of 0, 4", "wait 1", "agree",
      ])
  }

  /// The optimizer's programs share their handles: the norm waits for what the reduction started, the
  /// gather's wait for what the update started, each stage by itself.
  @Test func optimizerProgramsShareTheirTransfers() {
    var stage = Worlds.stage()
    stage.reduce = Worlds.program([.start(0), .start(1)], transfers: 2)
    stage.norm = Worlds.program([.wait(1), .wait(0), .compute(0)])
    stage.update = Worlds.program([.compute(1), .start(0)], transfers: 1)
    stage.settle = Worlds.program([.wait(0)])
    let items: [Item] = [
      .reduce(stage: 1), .reduce(stage: 0), .norm(stage: 0), .norm(stage: 1), .update(stage: 0),
      .update(stage: 1), .settle(stage: 1), .settle(stage: 0),
    ]
    var engine = Worlds.engine(items, [stage, stage])
    var backend = RecordingBackend()
    #expect(engine.advance(&backend) == .finished)
    let waits = backend.log.filter { $0.hasPrefix("start") || $0.hasPrefix("wait") }
    #expect(
      waits == [
        "start 0 of 1W-1 as 1", "start 1 of 1W-1 as 2", "start 0 of 0W-1 as 3",
        "start 1 of 0W-1 as 4", "wait 4", "wait 3", "wait 2", "wait 1", "start 0 of 0W-1 as 5",
        "start 0 of 1W-1 as 6", "wait 6", "wait 5",
      ])
  }

  /// In a pair the backward goes first, each gives way where it would wait for an exchange, and waits go to
  /// the exchange of their own program although both are number 0.
  @Test(arguments: [0, 1]) func pairsGiveWayAtExchanges(_ refusals: Int) {
    var stage = Worlds.stage()
    stage.forward = Worlds.program(
      [.compute(0), .start(0), .wait(0), .compute(1)], transfers: 1)
    stage.backward = Worlds.program(
      [.compute(2), .start(0), .compute(3), .wait(0), .compute(4)], transfers: 1)
    let pair = Item.overlapped(
      forward: Action(.forward, stage: 0, microbatch: 9),
      backward: Action(.backward, stage: 0, microbatch: 2))
    var engine = Worlds.engine([pair], [stage])
    var backend = RecordingBackend(refusals: refusals)
    while engine.advance(&backend) == .waiting {}
    #expect(
      backend.log == [
        "begin 0", "compute 2 of 0B2", "start 0 of 0B2 as 1", "compute 3 of 0B2",
        "compute 0 of 0F9", "start 0 of 0F9 as 2", "wait 1", "compute 4 of 0B2", "wait 2",
        "compute 1 of 0F9", "end 0",
      ])
  }

  /// Stops and starts change nothing in what any rank of any schedule does.
  @Test(arguments: Worlds.plans) func everyScheduleCanStopAnywhere(
    _ plan: (name: String, stages: Int, data: Int, lanes: Int)
  ) throws {
    let (ranks, stages) = try Worlds.pipeline(
      plan.name, stagesPerRank: plan.stages, data: plan.data, lanes: plan.lanes)
    for rank in ranks {
      var through = Engine(rank, stages: stages.map { Optional($0) })
      var stopping = through
      var plain = RecordingBackend()
      var stopped = RecordingBackend(refusals: 1, delays: 1)
      #expect(through.advance(&plain) == .finished)
      while stopping.advance(&stopped) == .waiting {}
      #expect(plain.log == stopped.log)
      #expect(plain.log.count { $0.hasPrefix("begin") } == rank.items.count)
      #expect(plain.log.count > 10 * rank.items.count / 2)
    }
  }
}
