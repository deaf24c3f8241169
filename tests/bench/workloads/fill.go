// Keeps every other of so many slices, the others are the collector's: `fill SLICES`.
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	slices, _ := strconv.Atoi(os.Args[1])
	kept := make([][]byte, 0, slices/2)
	sum := 0
	for number := 0; number < slices; number++ {
		slice := make([]byte, 1024+number%1024)
		slice[number%1024] = 1
		if number%2 == 0 {
			kept = append(kept, slice)
		} else {
			sum += len(slice)
		}
	}
	fmt.Println(len(kept), sum)
}
