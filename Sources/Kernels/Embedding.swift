/// out (rows, columns) = the table's row of each token, plus the position's row where given.
///
/// - Parameters:
///   - table: (vocabulary, columns).
///   - positions: (at least firstPosition + sequence, columns), learned; nil for none.
///   - tokens: (rows), each below `vocabulary`; rows are whole sequences of `sequence` tokens.
public func embeddingForward(
  _ out: UnsafeMutablePointer<Float>, _ table: UnsafePointer<Float>,
  positions: UnsafePointer<Float>? = nil, tokens: UnsafePointer<Int32>, rows: Int, columns: Int,
  vocabulary: Int, sequence: Int, firstPosition: Int = 0
) {
  precondition(rows >= 0 && columns > 0 && vocabulary > 0, "an embedding has sides")
  precondition(sequence > 0 && rows % sequence == 0, "rows are whole sequences")
  for row in 0..<rows {
    let token = Int(tokens[row])
    precondition(token >= 0 && token < vocabulary, "a token lies in the vocabulary")
    let target = out + row * columns
    let source = table + token * columns
    if let positions {
      let position = positions + (firstPosition + row % sequence) * columns
      add(target, source, position, count: columns)
    } else {
      copy(target, source, count: columns)
    }
  }
}

/// tableGradient (vocabulary, columns) += outGradient (rows, columns) by token, in row order.
///
/// - Parameter padding: a token that takes no gradient; nil for none.
public func embeddingBackward(
  _ tableGradient: UnsafeMutablePointer<Float>, _ outGradient: UnsafePointer<Float>,
  tokens: UnsafePointer<Int32>, rows: Int, columns: Int, vocabulary: Int,
  padding: Int? = nil
) {
  precondition(rows >= 0 && columns > 0 && vocabulary > 0, "an embedding has sides")
  for row in 0..<rows {
    let token = Int(tokens[row])
    precondition(token >= 0 && token < vocabulary, "a token lies in the vocabulary")
    if token == padding { continue }
    let target = tableGradient + token * columns
    add(target, target, outGradient + row * columns, count: columns)
  }
}

/// positionGradient (sequence, columns) += outGradient (rows, columns) by position, in row order.
public func positionBackward(
  _ positionGradient: UnsafeMutablePointer<Float>, _ outGradient: UnsafePointer<Float>, rows: Int,
  columns: Int, sequence: Int
) {
  precondition(rows >= 0 && columns > 0, "an embedding has sides")
  precondition(sequence > 0 && rows % sequence == 0, "rows are whole sequences")
  var first = 0
  while first < rows {
    add(
      positionGradient, positionGradient, outGradient + first * columns, count: sequence * columns)
    first += sequence
  }
}
