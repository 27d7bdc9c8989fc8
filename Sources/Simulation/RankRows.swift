import Models
import Plans

/// The rows of every expert exchange of a step, rank by rank, where they are known.
///
/// With them every rank has to be simulated by itself. Equal rows have one number, so that actions with
/// equal rows are known to be the same.
public struct RankRows: Hashable, Sendable {
  private struct Key: Hashable {
    var rank: Int
    var stage: Int
    var microbatch: Int
  }

  /// Rows that differ, in the order in which they came.
  private var distinct: [ExchangeRows] = []
  private var numbers: [ExchangeRows: Int] = [:]
  /// What a run recorded.
  private var recorded: [Key: Int] = [:]
  /// What follows from counts: by stage, then by place in the expert group.
  private var counted: [[Int]] = []
  /// Consecutive ranks of the world that have the same place: those that share an expert's products.
  private var ranksPerPlace = 1

  /// Nothing recorded yet.
  public init() {}

  /// The rows that follow from counts of tokens by expert, the same for every microbatch.
  public init(
    _ counts: ExpertCounts, _ placed: PlacedPlan,
    balanced: (received: Int, routed: Int, sent: Int)
  ) {
    let places = placed.plan.expertParallel
    ranksPerPlace = placed.plan.expertTensorParallel
    for units in placed.layout.stages {
      var stage = Array(repeating: ExchangeRows(), count: places)
      for unit in units {
        guard let mixture = placed.architecture.feedForward(of: unit)?.mixture,
          let layer = placed.architecture.layerNumber(of: unit)
        else { continue }
        let load = ExchangeLoad(
          counts: counts[layer: layer], mixture, places: places,
          redundant: placed.plan.redundantExperts,
          slices: placed.plan.expertTensorParallel,
          dispatcher: placed.plan.dispatcher(for: placed.architecture), balanced: balanced)
        for place in stage.indices {
          stage[place].received.append(load.received[place])
          stage[place].routed.append(load.routed[place])
          stage[place].sent.append(load.sent[place])
        }
      }
      counted.append(stage.map { number(of: $0) })
    }
  }

  private mutating func number(of rows: ExchangeRows) -> Int {
    if let known = numbers[rows] { return known }
    numbers[rows] = distinct.count
    distinct.append(rows)
    return distinct.count - 1
  }

  /// The number of a rank's rows of a stage's exchanges for a microbatch; nil where they are not known.
  func number(rank: Int, stage: Int, microbatch: Int) -> Int? {
    guard counted.isEmpty else {
      return counted[stage][rank / ranksPerPlace % counted[stage].count]
    }
    return recorded[Key(rank: rank, stage: stage, microbatch: microbatch)]
  }

  /// The most rows of any exchange of any rank.
  var most: Int { distinct.lazy.flatMap { $0.received + $0.routed }.max() ?? 0 }

  /// The rows with a number.
  subscript(number: Int) -> ExchangeRows { distinct[number] }

  /// The rows of a stage's exchanges for a microbatch on a rank; nil where they are not known.
  ///
  /// To set them is to record them.
  public subscript(rank rank: Int, stage stage: Int, microbatch microbatch: Int) -> ExchangeRows? {
    get { number(rank: rank, stage: stage, microbatch: microbatch).map { distinct[$0] } }
    set {
      recorded[Key(rank: rank, stage: stage, microbatch: microbatch)] =
        newValue.map { number(of: $0) }
    }
  }
}
