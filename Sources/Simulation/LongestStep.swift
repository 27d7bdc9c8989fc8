import Clusters
import Plans
import Programs
import Schedules

/// A bound on how long a step can take: all that a rank of each pipeline position does, one thing after the
/// other, as slowly as its load and its links may let it.
///
/// It keeps what no clock holds from being simulated.
struct LongestStep {
  /// Seconds that the simulated clock holds, with a margin.
  static let limit = 9e6

  private let input: StepInput
  private let pricing: any Pricing
  private var known: [Part: Double] = [:]

  private struct Part: Hashable {
    var shape: Int
    var pass: Action.Pass
    var isOverlapped: Bool
  }

  init(_ input: StepInput, pricing: any Pricing) {
    self.input = input
    self.pricing = pricing
  }

  /// Seconds with balanced rows on a cluster without fault, all positions added up.
  mutating func seconds() -> Double {
    var seconds = pricing.secondsOfAgreement()
    for (position, program) in input.ranks.enumerated() {
      for (index, item) in program.items.enumerated() {
        if program.closingItems.contains(index) { seconds += reductions(of: item) }
        switch item {
        case .run(let action): seconds += part(action.stage, action.pass, isOverlapped: false)
        case .overlapped(let forward, let backward):
          seconds += part(forward.stage, .forward, isOverlapped: true)
          seconds += part(backward.stage, .backward, isOverlapped: true)
        case .start(let index): seconds += message(program.transfers[index], from: position)
        // With what opening forwards make of the parameters.
        case .gather(let stage): seconds += optimizer(input.stages[stage].settle, stage)
        case .reduce(let stage): seconds += optimizer(input.stages[stage].reduce, stage)
        case .norm(let stage): seconds += optimizer(input.stages[stage].norm, stage)
        case .update(let stage): seconds += optimizer(input.stages[stage].update, stage)
        case .settle(let stage): seconds += optimizer(input.stages[stage].settle, stage)
        case .lane(let step):
          seconds += optimizer(input.stages[step.stage].program(for: step), step.stage)
        case .wait, .handOver, .agree: break
        }
      }
    }
    return seconds
  }

  /// What an item that closes its stage's gradients starts.
  private func reductions(of item: Item) -> Double {
    switch item {
    case .run(let action): optimizer(input.stages[action.stage].reduce, action.stage)
    case .overlapped(_, let backward):
      optimizer(input.stages[backward.stage].reduce, backward.stage)
    default: 0
    }
  }

  private mutating func part(_ stage: Int, _ pass: Action.Pass, isOverlapped: Bool) -> Double {
    let part = Part(shape: input.shapes[stage], pass: pass, isOverlapped: isOverlapped)
    if let seconds = known[part] { return seconds }
    let program = input.stages[stage].program(for: pass)
    let rows = input.balancedRows[stage]
    var seconds = Double(program.transfers.count) * pricing.hostSecondsOfTransfer
    for operation in program.operations {
      seconds += pricing.seconds(of: operation, rows: rows, isOverlapped: isOverlapped)
      seconds += pricing.hostSeconds(of: operation)
    }
    for transfer in program.transfers {
      let price = pricing.price(ofExchange: transfer, rows: rows, isOverlapped: isOverlapped)
      seconds += price.preparation + price.payload
      var fixed = transfer
      fixed.rows = .fixed(rows(transfer.rows))
      seconds += pricing.seconds(ofCollective: fixed, stage: stage)
    }
    known[part] = seconds
    return seconds
  }

  private func optimizer(_ program: Program, _ stage: Int) -> Double {
    program.operations.reduce(0) {
      $0 + pricing.seconds(of: $1, rows: ExchangeRows(), isOverlapped: false)
    }
      + program.transfers.reduce(0) { $0 + pricing.seconds(ofCollective: $1, stage: stage) }
  }

  private func message(_ transfer: PipelineTransfer, from position: Int) -> Double {
    guard transfer.isSend else { return 0 }
    guard position != transfer.peer else { return 0 }
    // Looked into where it lies: stages are large.
    let id =
      transfer.boundary == .activation
      ? input.stages[transfer.stage].output : input.stages[transfer.stage].inputGradient
    guard let id else { return 0 }
    let buffer = input.stages[transfer.stage].buffers[Int(id.index)]
    let bytes = input.balancedRows[transfer.stage](buffer.rows) * buffer.bytesPerRow
    let price = pricing.price(ofMessage: bytes, from: position, to: transfer.peer, replica: 0)
    return price.latency + price.moving
  }
}

extension StepInput {
  /// How many times the balanced rows a rank may have in an exchange.
  var largestLoad: Double {
    if let rankRows {
      let balanced = balancedRows.flatMap { $0.received + $0.routed }.max() ?? 1
      return max(1, Double(rankRows.most) / Double(max(1, balanced)))
    }
    // Further than this from the mean the largest of a million draws never lies.
    if case .deviation(let deviation, _, _) = load { return 1 + 10 * deviation }
    return 1
  }
}
