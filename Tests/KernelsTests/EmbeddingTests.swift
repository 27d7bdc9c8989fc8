import Kernels
import Testing

@Suite struct EmbeddingTests {
  let tokens: [Int32] = [3, 0, 3, 1, 4, 3]

  @Test(arguments: [1, 8, 11])
  func tokensAndPositions(_ columns: Int) {
    var numbers = Numbers(seed: 22)
    let (table, positions) = (numbers.floats(5 * columns), numbers.floats(4 * columns))
    let dy = numbers.floats(6 * columns)
    let y = filled(6 * columns) {
      embeddingForward(
        $0, table, positions: positions, tokens: tokens, rows: 6, columns: columns,
        vocabulary: 5, sequence: 3, firstPosition: 1)
    }
    let dtable = filled(table.count, preset: 0) {
      embeddingBackward($0, dy, tokens: tokens, rows: 6, columns: columns, vocabulary: 5)
    }
    let dpositions = filled(3 * columns, preset: 1) {
      positionBackward($0, dy, rows: 6, columns: columns, sequence: 3)
    }
    var (byToken, byPosition) = (
      [Double](repeating: 0, count: table.count), [Double](repeating: 1, count: 3 * columns)
    )
    for row in 0..<6 {
      for c in 0..<columns {
        let token = Int(tokens[row])
        let place = (1 + row % 3) * columns + c
        #expect(y[row * columns + c] == table[token * columns + c] + positions[place])
        byToken[token * columns + c] += Double(dy[row * columns + c])
        byPosition[row % 3 * columns + c] += Double(dy[row * columns + c])
      }
    }
    expectClose(dtable, byToken)
    expectClose(dpositions, byPosition)
  }

  @Test func aTokenOutsideTheVocabularyTraps() async {
    await #expect(processExitsWith: .failure) {
      var out: [Float] = [0]
      embeddingForward(
        &out, [1, 2], tokens: [2], rows: 1, columns: 1, vocabulary: 2, sequence: 1)
    }
  }

  @Test func joiningAndSplittingRows() {
    let x: [Float] = [1, 2, 3, 4, 5, 6]
    let joined = filled(8, preset: 0) {
      copyRows($0, outStride: 4, x, stride: 3, rows: 2, columns: 3)
    }
    #expect(joined == [1, 2, 3, 0, 4, 5, 6, 0])
    let summed = filled(6, preset: 1) {
      addRows($0, outStride: 3, joined, stride: 4, rows: 2, columns: 3)
    }
    #expect(summed == [2, 3, 4, 5, 6, 7])
    let halved = filled(6) { scale($0, x, by: 0.5, count: 6) }
    #expect(halved == [0.5, 1, 1.5, 2, 2.5, 3])
    let more = filled(6, preset: 1) { addScaled($0, x, by: 2, count: 6) }
    #expect(more == [3, 5, 7, 9, 11, 13])
  }

  @Test func thisProcessorHasWhatTheKernelsNeedAndOpenBLASUsesIt() {
    #expect(missingProcessorFeatures() == [])
    #expect(matmulIdentity().contains("OpenBLAS"))
    #expect(!matmulIdentity().hasSuffix("Prescott"), "AVX2 is there, so a core with AVX2 is chosen")
  }
}
