#if MPI
  import Clusters
  import Costs
  import Engines
  import Foundation
  import MessagePassing
  import Models
  import Plans
  import Programs
  import Reports
  import Schedules
  import Simulation
  import Training

  /// What a cluster of CPU ranks says of a run's step, beside the step: the fifth equality, of time.
  ///
  /// The first step warms caches up; the second is recorded with its timeline, and the simulator is given the
  /// rows that its exchanges had. Steps behind the first count, the recorded one only where there is no other.
  struct StepPrediction {
    let cluster: Cluster
    private var seconds: [Double] = []
    private var recordedSeconds: Double?
    private var simulated: (figures: PredictionFigures, step: ProcessorStep, ProcessorStep.Outcome)?
    private var parts: [ProcessorParts] = []

    init(_ cluster: Cluster) { self.cluster = cluster }

    /// Looks at a cluster before a run begins: whether it describes CPU ranks, and as many.
    static func check(_ cluster: Cluster, _ prepared: PreparedRun) throws {
      try ProcessorStep.check(prepared.placed.plan, for: prepared.placed.architecture)
      _ = try ProcessorStep(
        prepared.placed, on: cluster, objective: prepared.run.setting(atStep: 0).objective)
    }

    /// Keeps the time of a step.
    mutating func add(_ seconds: Double, step: Int, isRecorded: Bool) {
      if isRecorded { recordedSeconds = seconds } else if step > 1 { self.seconds.append(seconds) }
    }

    /// Simulates the step that was recorded and puts all ranks' timelines beside it; a collective.
    mutating func simulate(
      _ training: TrainingRun, delay: Int64, _ communicator: any Communicator
    ) throws {
      guard let ledger = training.lastResult?.ledger else { return }
      let recorded = try RecordedStep(ledger, communicator)
      let plan = training.plan
      let architecture = training.run.model.architecture
      let placed = try plan.validated(for: architecture, on: .ranks(plan.worldSize))
      let input = try StepInput(
        placed, rows: (received: 0, routed: 0, sent: 0), target: .cpuRank,
        objective: training.run.setting(atStep: 0).objective)
      let own = try TimelineParts(
        ledger.timeline, input, duration: training.lastResult?.duration ?? 0, delay: delay,
        communicator)
      let kernels = ProcessorKernel.allCases
      let numbers = try communicator.allGather(
        [own.parts.messages, own.parts.waiting] + kernels.map { own.parts.classes[$0] ?? 0 })
      guard communicator.rank == 0 else { return }
      parts = stride(from: 0, to: numbers.count, by: kernels.count + 2).map { first in
        var parts = ProcessorParts()
        (parts.messages, parts.waiting) = (numbers[first], numbers[first + 1])
        for (index, kernel) in kernels.enumerated() where numbers[first + 2 + index] > 0 {
          parts.add(numbers[first + 2 + index], of: kernel)
        }
        return parts
      }
      let step = try ProcessorStep(
        placed, on: cluster, objective: training.run.setting(atStep: 0).objective,
        recorded: (recorded.rows, recorded.routes))
      let outcome = step.run()
      simulated = (PredictionFigures(outcome, of: step), step, outcome)
    }

    /// The figures, once the run has ended; nil where it ended before the recorded step.
    var figures: PredictionFigures? {
      guard var figures = simulated?.figures, let recordedSeconds else { return nil }
      figures.compare(
        seconds: seconds.isEmpty ? [recordedSeconds] : seconds,
        recorded: (recordedSeconds, parts))
      return figures
    }

    /// The simulated ranks for a trace, behind the real ones.
    var trace: String {
      simulated.map { $0.step.traceParts($0.2, named: "simulated") } ?? ""
    }

    /// The simulated ranks for a picture, below the real ones.
    func lanes() throws -> [String] {
      guard let simulated else { return [] }
      let (step, outcome) = (simulated.step, simulated.2)
      return try outcome.timelines.enumerated().map { rank, timeline in
        try RunLanes.part(
          timeline, delay: 0, rank: rank, step.input, step.placed.schedule, simulated: true)
      }
    }
  }

  /// Where a real rank's time went in a step that was recorded.
  ///
  /// A wait counts as waiting up to the moment at which the last of those that take part had started the
  /// transfer, and as messages from there; the clocks of one host are one.
  struct TimelineParts {
    private(set) var parts = ProcessorParts()

    /// What tells a transfer apart among all of a step, beside the group that takes part in it.
    private struct Key: Hashable {
      var numbers: [Int]
    }

    /// A wait, from and to picoseconds of the first rank's clock.
    private struct Wait {
      var key: Key
      var start: Int64
      var end: Int64
    }

    /// A collective.
    init(
      _ timeline: Timeline, _ input: StepInput, duration: UInt64, delay: Int64,
      _ communicator: any Communicator
    ) throws {
      var waits: [Wait] = []
      var starts: [Key: Int64] = [:]
      var kernels = 0.0
      var operations = 0
      for item in timeline.items {
        let known = input.operations(of: item.item, isForward: true)
        let others = input.operations(of: item.item, isForward: false)
        for span in item.spans {
          let (from, to) = (item.start + span.start + delay, item.start + span.end + delay)
          switch span.kind {
          case .operation(let index):
            let all = span.isForward ? known : others
            // Only the class is asked for here: how many rows there were does not decide it.
            guard let work = all[Int(index)].processorWork(rows: { _ in 1 }) else { continue }
            let seconds = Double(span.end - span.start) * 1e-12
            parts.add(seconds, of: work.kernel)
            kernels += seconds
            operations += 1
          case .transfer(let index):
            starts[Self.key(item.item, span.isForward, Int(index), input, communicator.rank)] = from
          case .wait(let index):
            let key = Self.key(item.item, span.isForward, Int(index), input, communicator.rank)
            waits.append(Wait(key: key, start: from, end: to))
          }
        }
      }
      try Self.messages(timeline, input, delay, communicator, &starts, &waits)
      let latest = try Self.latest(starts, communicator)
      for wait in waits {
        let moving = max(wait.start, min(wait.end, latest[wait.key] ?? wait.start))
        parts.waiting += Double(moving - wait.start) * 1e-12
        parts.messages += Double(wait.end - moving) * 1e-12
      }
      let rest = Double(duration) * 1e-9 - kernels - parts.waiting - parts.messages
      parts.add(max(0, rest), of: .step)
    }

    /// Messages of the pipeline and collectives of the step, and the waits for them, which are items.
    private static func messages(
      _ timeline: Timeline, _ input: StepInput, _ delay: Int64,
      _ communicator: any Communicator, _ starts: inout [Key: Int64], _ waits: inout [Wait]
    ) throws {
      let pipelines = input.plan.worldSize / input.ranks.count
      let (position, pipeline) = communicator.rank.quotientAndRemainder(dividingBy: pipelines)
      func key(_ transfer: PipelineTransfer) -> Key {
        let isActivation = transfer.boundary == .activation
        let receiver = transfer.isSend ? transfer.stage + (isActivation ? 1 : -1) : transfer.stage
        return Key(numbers: [0, isActivation ? 0 : 1, receiver, transfer.microbatch, pipeline])
      }
      for span in timeline.transfers {
        switch span.kind {
        case .message(let transfer): starts[key(transfer)] = span.start + delay
        case .collective(let stage, let number, let kind):
          let key = Key(numbers: [1, stage, number, isGather(kind)])
          starts[key] = span.start + delay
        }
      }
      for item in timeline.items {
        guard case .wait(let index) = item.item else { continue }
        let transfer = input.ranks[position].transfers[index]
        waits.append(Wait(key: key(transfer), start: item.start + delay, end: item.end + delay))
      }
    }

    /// Reductions and gathers of a stage are numbered apart.
    private static func isGather(_ kind: TransferKind) -> Int {
      if case .allGather = kind { 1 } else { 0 }
    }

    private static func key(
      _ item: Item, _ isForward: Bool, _ index: Int, _ input: StepInput, _ rank: Int
    ) -> Key {
      let group = input.plan.mesh.group(.expert, of: rank).first ?? 0
      let action: Action? =
        switch item {
        case .run(let action): action
        case .overlapped(let forward, let backward): isForward ? forward : backward
        default: nil
        }
      guard let action else {
        let isGather = if case .settle = item { 1 } else { 0 }
        return Key(numbers: [1, stage(of: item), index, isGather])
      }
      // A forward that opens the step waits for gathers, which are numbered behind its own transfers.
      let own = input.stages[action.stage].program(for: action.pass).transfers.count
      if index >= own { return Key(numbers: [1, action.stage, index - own, 1]) }
      let pass = Action.Pass.allCases.firstIndex(of: action.pass) ?? 0
      return Key(numbers: [2, action.stage, action.microbatch, pass, index, group])
    }

    private static func stage(of item: Item) -> Int {
      switch item {
      case .gather(let stage), .reduce(let stage), .norm(let stage), .update(let stage),
        .settle(let stage):
        stage
      default: -1
      }
    }

    /// The last start of every transfer among all ranks; a collective.
    private static func latest(
      _ starts: [Key: Int64], _ communicator: any Communicator
    ) throws -> [Key: Int64] {
      // Rows of one length: the key's numbers, filled up, and the time.
      let width = 7
      let rows = starts.map { key, time in
        key.numbers.map(Int64.init) + Array(repeating: Int64.min, count: width - key.numbers.count)
          + [time]
      }
      let all = try communicator.allGather(Array(rows.joined()))
      var latest: [Key: Int64] = [:]
      for first in stride(from: 0, to: all.count, by: width + 1) {
        let numbers = all[first..<first + width].prefix { $0 != .min }.map { Int($0) }
        let key = Key(numbers: numbers)
        latest[key] = max(latest[key] ?? .min, all[first + width])
      }
      return latest
    }
  }
#endif
