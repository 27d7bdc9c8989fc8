import RealModule

/// Constants of collectives moved together: all times by one factor, all shares of links by another.
///
/// Each way of a collective is slower on a slower machine, and the fastest of them is the time: where one constant after
/// the other moves, the next way takes over at the old one's speed. Few rows decide the two factors, and from there
/// single constants.
struct ScaledStart {
  /// Every parameter's value.
  private(set) var values: [Double]

  private static let factors = 0.01...100.0

  /// - Parameters:
  ///   - start: the base's values.
  ///   - residuals: log(predicted / measured) of every fitted measurement for some values.
  init(
    _ start: [Double], _ parameters: [CollectiveFit.Parameter],
    _ residuals: ([Double]) -> [Double]
  ) {
    func scaled(_ factors: [Double]) -> [Double] {
      zip(start, parameters).map { value, parameter in
        // What is lost is no share of a link.
        guard parameter.kind == nil, [.seconds, .share].contains(parameter.unit) else {
          return value
        }
        // A pipeline's chunks fill it at the rate of its links.
        let isFill = parameter.name.hasSuffix(".fill")
        let factor =
          parameter.unit == .share ? factors[1] : isFill ? 1 / factors[1] : factors[0]
        let moved = value * factor
        return min(max(moved, parameter.range.lowerBound), parameter.range.upperBound)
      }
    }
    let search = LeastSquares()
    var least: (factors: [Double], loss: Double)?
    // As long as a node's links decide, those between nodes show nothing: the search begins below that, too.
    for share in [1, 0.5, 0.25, 0.125] {
      let found = search.fit(from: [1, share], within: [Self.factors, Self.factors]) {
        residuals(scaled($0))
      }
      let loss = search.loss(residuals(scaled(found)))
      if loss < least?.loss ?? .infinity { least = (found, loss) }
    }
    values = least.map { scaled($0.factors) } ?? start
  }
}
