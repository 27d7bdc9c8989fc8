import RealModule

/// The output head: hidden (rows, columns) times weight (vocabulary, columns), turned.
public struct HeadShape: Equatable, Sendable {
  public var rows: Int
  public var columns: Int
  public var vocabulary: Int
  /// Rows whose logits exist at a time; the weight gradient is added to once per tile.
  public var tile: Int

  public init(rows: Int, columns: Int, vocabulary: Int, tile: Int = 128) {
    precondition(rows >= 0 && columns > 0 && vocabulary > 0 && tile > 0, "a head has sides")
    self.rows = rows
    self.columns = columns
    self.vocabulary = vocabulary
    self.tile = tile
  }

  /// Floats of workspace that the loss needs: the logits of one tile.
  public var workspaceCount: Int { min(tile, max(rows, 1)) * vocabulary }
}

/// A sum of cross-entropies.
public struct LossSum: Equatable, Sendable {
  /// The sum over labelled rows, in nats, added in row order.
  public var sum: Double
  /// Rows that have a label.
  public var labelled: Int

  public init(sum: Double = 0, labelled: Int = 0) {
    self.sum = sum
    self.labelled = labelled
  }
}

/// Cross-entropy of the head's logits, and at once the gradients of hidden and weight.
///
/// Logits are formed for `tile` rows at a time in `workspace` (shape.workspaceCount), turned into
/// their own gradient there, and used for both products; the logits of all rows never exist.
/// - Parameters:
///   - hiddenGradient: (rows, columns), overwritten.
///   - weightGradient: (vocabulary, columns), added to.
///   - labels: (rows), -1 for a row without one.
///   - scale: what the gradient of the sum is multiplied by, such as 1 / labelled rows.
public func headLossBackward(
  _ hiddenGradient: UnsafeMutablePointer<Float>, _ weightGradient: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>, _ hidden: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>, labels: UnsafePointer<Int32>, _ shape: HeadShape, scale: Float,
  on bench: Workbench
) -> LossSum {
  var total = LossSum()
  forEachTile(workspace, hidden, weight, shape, bench) { first, linear in
    for row in 0..<linear.rows {
      crossEntropy(
        workspace + row * shape.vocabulary, label: labels[first + row], shape.vocabulary,
        gradientScale: scale, &total)
    }
    linearBackwardInput(
      hiddenGradient + first * shape.columns, workspace, weight, linear, on: bench)
    linearBackwardWeight(
      weightGradient, workspace, hidden + first * shape.columns, linear, on: bench)
  }
  return total
}

/// Cross-entropy of the head's logits alone, for evaluation.
///
/// `workspace` as in `headLossBackward`; labels (rows), -1 for none.
public func headLoss(
  workspace: UnsafeMutablePointer<Float>, _ hidden: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>, labels: UnsafePointer<Int32>, _ shape: HeadShape,
  on bench: Workbench
) -> LossSum {
  var total = LossSum()
  forEachTile(workspace, hidden, weight, shape, bench) { first, linear in
    for row in 0..<linear.rows {
      crossEntropy(
        workspace + row * shape.vocabulary, label: labels[first + row], shape.vocabulary,
        gradientScale: nil, &total)
    }
  }
  return total
}

/// What a head says of one labelled row: its label's log-probability, and the entropy of the row.
public struct TokenLikelihood: Equatable, Sendable {
  /// The logarithm of the label's probability, in nats.
  public var logProbability: Double
  /// The entropy of the row's distribution, in nats.
  public var entropy: Double

  public init(logProbability: Double, entropy: Double) {
    self.logProbability = logProbability
    self.entropy = entropy
  }
}

/// A loss of labels' log-probabilities, and at once the gradients of hidden and weight.
///
/// As `headLossBackward` in everything but what is summed: logits are divided by `temperature`, and
/// `loss` says what a row adds to the sum and the slope of that in the label's log-probability.
/// - Parameter loss: called once for each labelled row, in order.
public func headPolicyBackward(
  _ hiddenGradient: UnsafeMutablePointer<Float>, _ weightGradient: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>, _ hidden: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>, labels: UnsafePointer<Int32>, _ shape: HeadShape,
  temperature: Float, on bench: Workbench,
  loss: (_ row: Int, TokenLikelihood) -> (value: Double, slope: Double)
) -> LossSum {
  var total = LossSum()
  forEachTile(workspace, hidden, weight, shape, bench) { first, linear in
    for row in 0..<linear.rows {
      let logits = workspace + row * shape.vocabulary
      guard labels[first + row] >= 0 else {
        fill(logits, with: 0, count: shape.vocabulary)
        continue
      }
      let label = Int(labels[first + row])
      let (token, sum) = likelihood(logits, label: label, shape.vocabulary, temperature)
      let (value, slope) = loss(first + row, token)
      let step = Float(slope) / temperature
      scale(logits, logits, by: -step / sum, count: shape.vocabulary)
      logits[label] += step
      total.sum += value
      total.labelled += 1
    }
    linearBackwardInput(
      hiddenGradient + first * shape.columns, workspace, weight, linear, on: bench)
    linearBackwardWeight(
      weightGradient, workspace, hidden + first * shape.columns, linear, on: bench)
  }
  return total
}

/// What the head says of every labelled row, and their cross-entropy; no gradients.
///
/// - Parameter each: called once for each labelled row, in order.
public func headLikelihoods(
  workspace: UnsafeMutablePointer<Float>, _ hidden: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>, labels: UnsafePointer<Int32>, _ shape: HeadShape,
  temperature: Float, on bench: Workbench, each: (_ row: Int, TokenLikelihood) -> Void
) -> LossSum {
  var total = LossSum()
  forEachTile(workspace, hidden, weight, shape, bench) { first, linear in
    for row in 0..<linear.rows where labels[first + row] >= 0 {
      let (token, _) = likelihood(
        workspace + row * shape.vocabulary, label: Int(labels[first + row]), shape.vocabulary,
        temperature)
      each(first + row, token)
      total.sum -= token.logProbability
      total.labelled += 1
    }
  }
  return total
}

/// Replaces a row's logits by exp(logit / temperature - maximum), and gives their sum beside what they
/// say of the label.
private func likelihood(
  _ logits: Output, label: Int, _ vocabulary: Int, _ temperature: Float
) -> (TokenLikelihood, sum: Float) {
  precondition(label < vocabulary, "a label lies in the vocabulary or is -1")
  if temperature != 1 { scale(logits, logits, by: 1 / temperature, count: vocabulary) }
  let maximum = laneMaximum(logits, vocabulary)
  let chosen = Double(logits[label] - maximum)
  let weighted = laneSumLong(vocabulary) { i, n in
    let shifted = logits.lanes(i, n) - maximum
    return exponential(shifted) * shifted
  }
  let sum = exponentials(logits, visible: vocabulary, count: vocabulary, minus: maximum)
  let logarithm = Double.log(Double(sum))
  return (
    TokenLikelihood(
      logProbability: chosen - logarithm, entropy: logarithm - Double(weighted) / Double(sum)),
    sum
  )
}

/// logits (rows, vocabulary) of the head, for generation.
public func headLogits(
  _ logits: UnsafeMutablePointer<Float>, _ hidden: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>, _ shape: HeadShape, on bench: Workbench
) {
  let linear = LinearShape(rows: shape.rows, inputs: shape.columns, outputs: shape.vocabulary)
  linearForward(logits, hidden, weight, linear, on: bench)
}

/// Forms the logits of one tile after another and hands over its first row and its shape.
private func forEachTile(
  _ workspace: Output, _ hidden: Input, _ weight: Input, _ shape: HeadShape, _ bench: Workbench,
  _ body: (_ first: Int, _ linear: LinearShape) -> Void
) {
  var first = 0
  while first < shape.rows {
    let rows = min(shape.tile, shape.rows - first)
    let linear = LinearShape(rows: rows, inputs: shape.columns, outputs: shape.vocabulary)
    linearForward(workspace, hidden + first * shape.columns, weight, linear, on: bench)
    body(first, linear)
    first += rows
  }
}

/// Adds one row's cross-entropy to the total; with a scale, logits become their own gradient.
private func crossEntropy(
  _ logits: Output, label: Int32, _ vocabulary: Int, gradientScale: Float?, _ total: inout LossSum
) {
  precondition(label >= -1 && Int(label) < vocabulary, "a label lies in the vocabulary or is -1")
  guard label >= 0 else {
    if gradientScale != nil { fill(logits, with: 0, count: vocabulary) }
    return
  }
  let maximum = laneMaximum(logits, vocabulary)
  let chosen = Double(logits[Int(label)])
  let sum: Float
  if let gradientScale {
    sum = exponentials(logits, visible: vocabulary, count: vocabulary, minus: maximum)
    scale(logits, logits, by: gradientScale / sum, count: vocabulary)
    logits[Int(label)] -= gradientScale
  } else {
    @inline(__always)
    func power(_ i: Int, _ n: Int) -> Lanes { exponential(logits.lanes(i, n) - maximum) }
    sum = laneSumLong(vocabulary, power)
  }
  total.sum += Double(maximum) + Double.log(Double(sum)) - chosen
  total.labelled += 1
}
