import Models
import Plans
import Programs

/// What ranks sum up during a step and agree on at its end: losses, squares of gradients, expert loads.
///
/// Every number has one place of its own in a table that all ranks lay out alike, and one rank that
/// fills it. So the sums do not depend on who holds what, and the order of additions is fixed.
struct StepSums {
  /// Sums of squares by block of 4,096 elements, tensor after tensor.
  var squares: [Double]
  /// Cross-entropy sums by module and microbatch of the whole step.
  var losses: [Double]
  /// Labels that the losses were summed over, by module.
  var labels: [Double]
  /// Balance losses by layer and microbatch of the whole step.
  var balances: [Double]
  /// Tokens by layer and expert.
  var loads: [Double]
  /// The first block of each tensor.
  private let tensorStarts: [Int]
  private let microbatches: Int

  /// The sums of the whole step.
  struct Agreed {
    var norm = 0.0
    /// What gradients are multiplied by.
    var clip = 1.0
    /// By module: the main head first.
    var losses: [Double] = []
    var labels: [Double] = []
    var balance = 0.0
    var loads: [Double] = []
  }

  init(_ assignment: RankAssignment) {
    let table = assignment.blocks
    let layers = assignment.architecture.layerCount + assignment.architecture.multiTokenPrediction
    microbatches = assignment.plan.microbatchCount * assignment.plan.dataParallel
    squares = Array(repeating: 0, count: table.count)
    tensorStarts = table.tensorStarts
    losses = Array(
      repeating: 0,
      count: (1 + assignment.architecture.multiTokenPrediction) * microbatches)
    labels = Array(repeating: 0, count: 1 + assignment.architecture.multiTokenPrediction)
    balances = Array(repeating: 0, count: layers * microbatches)
    loads = Array(repeating: 0, count: layers * assignment.expertCount)
  }

  mutating func add(loss: Double, labels count: Int, module: Int, microbatch: Int) {
    losses[module * microbatches + microbatch] += loss
    labels[module] += Double(count)
  }

  mutating func add(balance: Double, layer: Int, microbatch: Int) {
    balances[layer * microbatches + microbatch] += balance
  }

  /// All numbers in one row, to be summed over ranks.
  var packed: [Double] {
    get { squares + losses + labels + balances + loads }
    set {
      var first = 0
      func take(_ list: inout [Double]) {
        list = Array(newValue[first..<first + list.count])
        first += list.count
      }
      take(&squares)
      take(&losses)
      take(&labels)
      take(&balances)
      take(&loads)
    }
  }

  /// The results, added in fixed order: blocks of a tensor first, microbatches in their order.
  func agreed(clipNorm: Double?) -> Agreed {
    var result = Agreed()
    var total = 0.0
    for (index, start) in tensorStarts.enumerated() {
      let end = index + 1 < tensorStarts.count ? tensorStarts[index + 1] : squares.count
      total += squares[start..<end].reduce(0, +)
    }
    result.norm = total.squareRoot()
    if let clipNorm, result.norm > clipNorm { result.clip = clipNorm / result.norm }
    result.losses = stride(from: 0, to: losses.count, by: microbatches).map {
      losses[$0..<$0 + microbatches].reduce(0, +)
    }
    result.labels = labels
    result.balance = balances.reduce(0, +)
    result.loads = loads
    return result
  }
}

/// The numbers of the blocks of all tensors of a model, the same under every plan.
struct BlockTable {
  private(set) var count = 0
  private(set) var tensorStarts: [Int] = []
  /// First block by stage and parameter; experts of this rank's group coordinate.
  private(set) var starts: [[Int]] = []

  init(_ programs: [StageProgram], expertParallel: Int, expertCoordinate: Int) {
    var shared: [TransferKind.Group: Int] = [:]
    let size = GradientSegment.blockElements
    for program in programs {
      starts.append([])
      for parameter in program.parameters {
        let index = starts.count - 1
        let group = parameter.gradientGroup
        if !parameter.isTrained {
          starts[index].append(-1)
        } else if parameter.isShared, let known = shared[group] {
          starts[index].append(known)
        } else {
          let blocks = (parameter.elements + size - 1) / size
          let own = parameter.isExpert ? expertCoordinate * blocks : 0
          if parameter.isShared { shared[group] = count }
          starts[index].append(count + own)
          for copy in 0..<(parameter.isExpert ? expertParallel : 1) {
            tensorStarts.append(count + copy * blocks)
          }
          count += blocks * (parameter.isExpert ? expertParallel : 1)
        }
      }
    }
  }
}
