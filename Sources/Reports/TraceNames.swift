import Engines
import Plans
import Programs
import Schedules
import Simulation

/// The names of events, made once for every operation of a program: those of both worlds.
struct TraceNames {
  private struct Names {
    /// The bare names of operations and transfers.
    var operationTitles: [String]
    var transferTitles: [String]
    var operations: [String]
    /// What stands in front of a transfer's bytes, and behind them.
    var transfers: [(head: String, tail: String)]
    var waits: [String]
  }

  /// One of a stage's programs.
  private enum Part: Hashable {
    case pass(Action.Pass)
    case gather, reduce, norm, update, settle
    case lane(LaneStep)
  }

  private struct Key: Hashable {
    var stage: Int
    var part: Part
  }

  private let plan: Plan
  private let stages: [StageProgram]
  private let keyValueReplicas: Int
  private var known: [Key: Names] = [:]

  init(_ input: StepInput) {
    plan = input.plan
    stages = input.stages
    keyValueReplicas = input.keyValueReplicas
  }

  /// The name, category and arguments of a span of an item's program, as JSON.
  mutating func span(_ span: Timeline.Span, in item: Item) -> String {
    let names = names(key(item, isForward: span.isForward))
    switch span.kind {
    case .operation(let index): return names.operations[Int(index)]
    case .transfer(let index):
      let name = names.transfers[Int(index)]
      return name.head + "\(span.bytes)" + name.tail
    case .wait(let index): return names.waits[Int(index)]
    }
  }

  /// The bare name of a span: `L12 dispatch`, `wait for L12 dispatch`.
  mutating func title(of span: Timeline.Span, in item: Item) -> String {
    let names = names(key(item, isForward: span.isForward))
    return switch span.kind {
    case .operation(let index): names.operationTitles[Int(index)]
    case .transfer(let index): names.transferTitles[Int(index)]
    case .wait(let index): "wait for " + names.transferTitles[Int(index)]
    }
  }

  private func key(_ item: Item, isForward: Bool) -> Key {
    switch item {
    case .run(let action): Key(stage: action.stage, part: .pass(action.pass))
    case .overlapped(let forward, let backward):
      isForward
        ? Key(stage: forward.stage, part: .pass(.forward))
        : Key(stage: backward.stage, part: .pass(.backward))
    case .lane(let step): Key(stage: step.stage, part: .lane(step))
    case .gather(let stage): Key(stage: stage, part: .gather)
    case .reduce(let stage): Key(stage: stage, part: .reduce)
    case .norm(let stage): Key(stage: stage, part: .norm)
    case .update(let stage): Key(stage: stage, part: .update)
    case .settle(let stage): Key(stage: stage, part: .settle)
    case .start, .wait, .handOver, .agree: preconditionFailure("Nothing is computed here.")
    }
  }

  private mutating func names(_ key: Key) -> Names {
    // Stages of one shape run the same programs, but their layers have other numbers.
    if let made = known[key] { return made }
    let stage = stages[key.stage]
    let (program, transfers, category): (Program, [Transfer], String) =
      switch key.part {
      case .pass(.forward):
        // One that opens the step waits for gathers, too.
        (
          stage.forward, stage.forward.transfers + stage.gather.transfers,
          Action.Pass.forward.traceName
        )
      case .pass(let pass):
        (stage.program(for: pass), stage.program(for: pass).transfers, pass.traceName)
      case .gather: (stage.gather, stage.gather.transfers, "optimizer")
      case .reduce: (stage.reduce, stage.reduce.transfers, "optimizer")
      // These wait for what the program before them started.
      case .norm: (stage.norm, stage.reduce.transfers, "optimizer")
      case .update: (stage.update, stage.update.transfers, "optimizer")
      case .settle: (stage.settle, stage.settle.transfers, "optimizer")
      case .lane(let step): (stage.program(for: step), [], "optimizer")
      }
    // A pass that closes a stage's gradients converts them for their reduction, one that opens the step
    // parameters as they arrive.
    let conversions: [Operation] =
      switch key.part {
      case .pass(.backward), .pass(.backwardWeight): stage.reduce.operations
      case .pass(.forward) where !stage.gather.transfers.isEmpty: stage.settle.operations
      default: []
      }
    let made = Names(
      operationTitles: (program.operations + conversions).map(\.traceName),
      transferTitles: transfers.map(\.traceName),
      operations: program.operations.map { Self.field($0.traceName, category) }
        + conversions.map { Self.field($0.traceName, "optimizer") },
      transfers: transfers.map { transfer in
        let ranks = ranks(of: transfer.kind, key.stage)
        return (
          Self.field(transfer.traceName, category) + ",\"args\":{\"bytes\":",
          ",\"ranks\":\(ranks)}"
        )
      },
      waits: transfers.map { Self.field("wait for " + $0.traceName, "wait") })
    known[key] = made
    return made
  }

  /// How many ranks take part in a transfer.
  private func ranks(of kind: TransferKind, _ stage: Int) -> Int {
    switch kind {
    case .counts, .dispatch, .combine, .combineBackward, .dispatchBackward: plan.expertParallel
    case .toHost, .fromHost: 1
    case .allGather(let group), .reduceScatter(let group), .allReduce(let group),
      .shift(let group):
      switch group {
      case .tensor: plan.tensorParallel
      case .context: plan.contextParallel
      case .expertTensor: plan.expertTensorParallel
      case .keyValue: keyValueReplicas
      case .position: plan.worldSize / plan.pipelineParallel
      case .world: plan.worldSize
      case .gradientShards: plan.shardingRanks ?? 1
      case .expertShards: plan.expertShardingRanks ?? 1
      case .gradientReplicas: copies(.gradient, stage) / (plan.shardingRanks ?? 1)
      case .expertReplicas: copies(.expertGradient, stage) / (plan.expertShardingRanks ?? 1)
      case .gradient, .expertGradient, .sharedEmbedding, .sharedHead: copies(group, stage)
      }
    }
  }

  private func copies(_ group: TransferKind.Group, _ stage: Int) -> Int {
    stages[stage].segments.first { $0.group == group }?.copies ?? 1
  }

  /// A message or a collective outside of actions.
  func transfer(_ span: TransferSpan) -> String {
    switch span.kind {
    case .message(let message):
      return Self.field(Self.title(of: span), "message")
        + ",\"args\":{\"bytes\":\(span.bytes),\"peer\":\(message.peer)}"
    case .collective(let stage, _, let kind):
      return Self.field(Self.title(of: span), "optimizer")
        + ",\"args\":{\"bytes\":\(span.bytes),\"ranks\":\(ranks(of: kind, stage))}"
    }
  }

  /// The bare name of a message or a collective outside of actions.
  static func title(of span: TransferSpan) -> String {
    switch span.kind {
    case .message(let message): message.traceName
    case .collective(let stage, _, let kind):
      "\(kind.traceName) \(kind.traceGroup) of stage \(stage)"
    }
  }

  /// An item; `transfers` are those of its rank's program.
  func item(_ item: Item, _ transfers: [PipelineTransfer]) -> String {
    let category =
      switch item {
      case .run, .overlapped: "action"
      case .start, .handOver: "message"
      case .wait: "wait"
      case .lane, .gather, .reduce, .norm, .agree, .update, .settle: "optimizer"
      }
    return Self.field(Self.title(of: item, transfers), category)
  }

  /// The bare name of an item; `transfers` are those of its rank's program.
  static func title(of item: Item, _ transfers: [PipelineTransfer]) -> String {
    switch item {
    case .run(let action): "\(action)"
    case .overlapped(let forward, let backward): "\(forward) + \(backward)"
    case .start(let index): "start to \(transfers[index].traceName)"
    case .wait(let index): "wait to \(transfers[index].traceName)"
    case .handOver(let boundary, let stage, let microbatch):
      "keep \(boundary) of stage \(stage), microbatch \(microbatch), for this rank's next stage"
    case .lane(let step):
      switch step.change {
      case .open(let lane, _): "clear gradient sum \(lane) of stage \(step.stage)"
      case .fold: "add gradient sums of stage \(step.stage)"
      }
    case .gather(let stage): "start to gather parameters of stage \(stage)"
    case .reduce(let stage): "start to reduce gradients of stage \(stage)"
    case .norm(let stage): "gradient norm of stage \(stage)"
    case .agree: "all-reduce gradient norm"
    case .update(let stage): "update parameters of stage \(stage)"
    case .settle(let stage): "gather parameters of stage \(stage)"
    }
  }

  private static func field(_ name: String, _ category: String) -> String {
    "\"name\":\(traceString(name)),\"cat\":\"\(category)\""
  }
}

extension PipelineTransfer {
  /// `send activation of stage 2, microbatch 3`.
  fileprivate var traceName: String {
    "\(isSend ? "send" : "receive") \(boundary) of stage \(stage), microbatch \(microbatch)"
  }
}

extension TransferKind {
  /// What a collective is about.
  fileprivate var traceGroup: String {
    switch self {
    case .allGather(let group), .reduceScatter(let group), .allReduce(let group),
      .shift(let group):
      switch group {
      case .tensor: "tensor-parallel activations"
      case .context: "context-parallel activations"
      case .expertTensor: "tokens of sliced experts"
      case .gradient, .gradientShards: isGather ? "parameters" : "gradients"
      case .gradientReplicas: "gradient shards"
      case .expertReplicas: "expert gradient shards"
      case .expertGradient, .expertShards: isGather ? "expert parameters" : "expert gradients"
      case .sharedEmbedding: "shared embedding"
      case .sharedHead: "shared head"
      case .position: "scales of FP8 tensors"
      case .world: "world"
      case .keyValue: "gradients of replicated heads"
      }
    default: "tokens"
    }
  }

  private var isGather: Bool { if case .allGather = self { true } else { false } }
}

extension Action.Pass {
  /// The category of its events.
  var traceName: String {
    switch self {
    case .forward: "forward"
    case .backward: "backward"
    case .backwardInput: "backward for input"
    case .backwardWeight: "backward for weight"
    }
  }
}
