#if MPI
  import Calibration
  import Clusters
  import Costs
  import Engines
  import Foundation
  import MessagePassing
  import Plans
  import Programs
  import Simulation
  import Training

  /// Times kernels and messages of CPU ranks, state after state of the machine.
  ///
  /// Every kernel is timed where it runs in training, one operation at a time: a rank's own memory, the caches as
  /// its neighbours left them, the engine's call and the look for messages within it. A step of the models is
  /// never timed as a whole but for what it has beside its kernels.
  struct HereMeasurement {
    var isQuick: Bool
    private var table = HereTable()
    private let begin = ContinuousClock.now

    init(isQuick: Bool) { self.isQuick = isQuick }

    /// Recorded steps of a model, behind one that warms up.
    ///
    /// Where ranks take turns they count by their mean, for which more are needed, as long as that takes no more than
    /// `patience`.
    private func steps(ranks: Int) -> ClosedRange<Int> {
      let usual = isQuick ? 2 : 6
      return Self.isCrowded(ranks) ? 3...4 * usual : usual...usual
    }

    /// For how long a model is worth more than the fewest steps in one state: 24 models in three states of four ranks
    /// come to a minute with it, on slow machines too.
    static let patience = Duration.milliseconds(900)

    /// Whether ranks take turns on the cores, so that now and then one loses a slice of time.
    ///
    /// No median of short times shows that, as most of them lie between two turns: means count then.
    private static func isCrowded(_ ranks: Int) -> Bool {
      ranks > ProcessInfo.processInfo.activeProcessorCount
    }

    /// What this process measures by itself, before MPI is there.
    static func alone(isQuick: Bool) throws -> HereTable {
      var measurement = HereMeasurement(isQuick: isQuick)
      try measurement.kernels(ranks: 1, active: 1)
      return measurement.table
    }

    /// What the ranks of a launch measure together, on rank 0; elsewhere an empty table.
    ///
    /// A collective.
    static func together(isQuick: Bool, _ world: any Communicator) throws -> HereTable {
      var measurement = HereMeasurement(isQuick: isQuick)
      var active = 1
      while active < world.size {
        try measurement.round(active, world)
        active *= 2
      }
      try measurement.round(world.size, world)
      try measurement.messages(world)
      return world.rank == 0 ? measurement.table : HereTable()
    }

    /// Some ranks compute while the others wait in a call.
    private mutating func round(_ active: Int, _ world: any Communicator) throws {
      var times: [OperationTimes] = []
      for model in try HereModel.all(isQuick: isQuick) {
        try world.barrier()
        if world.rank < active { times.append(try Self.times(of: model, steps(ranks: world.size))) }
        try world.barrier()
      }
      say("kernels while \(active) of \(world.size) ranks compute", world)
      if world.rank == 0 { add(times, ranks: world.size, active: active) }
    }

    /// What has been measured, and since when.
    private func say(_ what: String, _ world: any Communicator) {
      guard world.rank == 0 else { return }
      note("measured after \(Self.seconds(since: begin)): \(what)\n")
    }

    /// The time that has gone by, in whole seconds.
    static func seconds(since begin: ContinuousClock.Instant) -> String {
      "\(Int(((ContinuousClock.now - begin) / .seconds(1)).rounded())) s"
    }

    private mutating func kernels(ranks: Int, active: Int) throws {
      let times = try HereModel.all(isQuick: isQuick).map {
        try Self.times(of: $0, steps(ranks: ranks))
      }
      add(times, ranks: ranks, active: active)
    }

    private static func times(of model: HereModel, _ steps: ClosedRange<Int>) throws
      -> OperationTimes
    {
      try withRanksAsThreads(1) { own in try OperationTimes(model, own, steps: steps) }[0]
    }

    /// The operations of all models, each shape with its median over steps and layers.
    ///
    /// Where ranks take turns a turn is lost now and then, wherever it falls: all medians are stretched by as much
    /// as the whole took longer than medians make of it, as an operation is hit in proportion to its length.
    private mutating func add(_ times: [OperationTimes], ranks: Int, active: Int) {
      let (whole, typical) = times.reduce((0, 0)) { ($0.0 + $1.whole, $0.1 + $1.typical) }
      let stretch = Self.isCrowded(ranks) && typical > 0 ? max(1, whole / typical) : 1
      for (work, seconds) in times.flatMap(\.medians) {
        table.kernels.append(
          HereTable.KernelRow(
            work.kernel, ranks: ranks, active: active,
            work: [work.operations, work.bytes, work.weights, work.rows],
            seconds: seconds * stretch))
      }
    }

    // MARK: Messages

    /// Sizes of messages, in bytes.
    ///
    /// What a link carries shows in messages that its buffers do not hold.
    private func sizes(_ way: Processor.Way) -> [Int] {
      let all = [64, 1024, 4096, 16_384, 65_536, 262_144, 1 << 20, 4 << 20]
      return isQuick ? Array(all.prefix(way == .network ? 7 : 5)) : all
    }

    /// From rank 0 to the first rank beside it on its node, and to the first on another node: while all others
    /// wait, and while they compute.
    private mutating func messages(_ world: any Communicator) throws {
      let hosts = try RecordedStep.hosts(world)
      let partners: [(Processor.Way, Int?)] = [
        (.node, hosts.indices.dropFirst().first { hosts[$0] == hosts[0] }),
        (.network, hosts.indices.first { hosts[$0] != hosts[0] }),
      ]
      let isCrowded = Self.isCrowded(world.size)
      let states = isCrowded && world.size > 2 ? [2, world.size] : [2]
      for (way, partner) in partners {
        guard let partner else { continue }
        for active in states {
          for bytes in sizes(way) {
            let trips = RoundTrips(
              bytes: bytes, partner: partner, isFar: way == .network, isQuick: isQuick,
              isCrowded: isCrowded, othersCompute: active > 2)
            let seconds = try trips.seconds(world)
            guard world.rank == 0 else { continue }
            table.messages.append(
              .init(
                way, ranks: world.size, active: active, bytes: Double(bytes), seconds: seconds))
          }
        }
      }
      try world.barrier()
      say("messages", world)
    }
  }

  /// The times of a model's operations on one rank.
  struct OperationTimes: Sendable {
    /// Of every amount of work that occurred, the median in seconds.
    var medians: [(ProcessorWork, Double)] = []
    /// Seconds of all operations together, and what they were if each had taken its median.
    var whole = 0.0
    var typical = 0.0

    /// Trains a few steps and reads their timelines.
    ///
    /// - Parameter steps: how many at least, and how many at most in `HereMeasurement.patience`.
    init(_ model: HereModel, _ world: any Communicator, steps: ClosedRange<Int>) throws {
      let placed = try model.plan.validated(for: model.architecture, on: .ranks(1))
      let input = try StepInput(
        placed, rows: (received: 0, routed: 0, sent: 0), target: .cpuRank)
      let trainer = try RankTrainer(model.architecture, model.plan, world, HereTokens(model))
      trainer.initialize(seed: 1)
      trainer.recording = Recording(timeline: true)
      var times: [ProcessorWork: [Double]] = [:]
      var order: [ProcessorWork] = []
      let start = ContinuousClock.now
      for step in 0...steps.upperBound {
        if step > steps.lowerBound, ContinuousClock.now - start > HereMeasurement.patience { break }
        let result = try trainer.step(learningRate: 1e-4)
        if step == 0 { continue }
        for (work, seconds) in Self.read(result, input) {
          if times[work] == nil { order.append(work) }
          times[work, default: []].append(seconds)
        }
      }
      for work in order {
        let sorted = (times[work] ?? [0]).sorted()
        let median = max(1e-9, sorted[sorted.count / 2])
        medians.append((work, median))
        whole += sorted.reduce(0, +)
        typical += median * Double(sorted.count)
      }
    }

    /// Every operation of a step with its time, and what the step had beside them.
    private static func read(
      _ result: Training.StepResult, _ input: StepInput
    ) -> [(ProcessorWork, Double)] {
      var known: [[Int]: Int] = [:]
      for counts in result.ledger.exchanges {
        known[[counts.stage, counts.microbatch, counts.exchange]] = counts.routed.reduce(0, +)
      }
      var all: [(ProcessorWork, Double)] = []
      for item in result.ledger.timeline.items {
        let operations = input.operations(of: item.item, isForward: true)
        for span in item.spans {
          guard case .operation(let index) = span.kind else { continue }
          let work = operations[Int(index)].processorWork { rows in
            guard case .fixed(let count) = rows else {
              guard let exchange = rows.exchange, case .run(let action) = item.item else {
                return 0
              }
              return known[[action.stage, action.microbatch, exchange]] ?? 0
            }
            return count
          }
          if let work { all.append((work, Double(span.end - span.start) * 1e-12)) }
        }
      }
      let kernels = all.reduce(0) { $0 + $1.1 }
      let gradients = input.stages.reduce(0) { sum, stage in
        sum + stage.buffers.reduce(0) { $1.use == .gradient ? $0 + bytes($1) : $0 }
      }
      let rest = Double(result.duration) * 1e-9 - kernels
      all.append(
        (
          ProcessorWork(.step, bytes: Double(gradients), rows: Double(all.count)), max(1e-9, rest)
        ))
      return all
    }

    private static func bytes(_ buffer: Programs.Buffer) -> Int {
      if case .fixed(let count) = buffer.rows { count * buffer.bytesPerRow } else { 0 }
    }
  }
#endif
