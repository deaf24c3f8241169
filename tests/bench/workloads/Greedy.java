// Takes memory outside of the Java heap, a MiB at a time, until it has so many or gets no more, and
// keeps it for a moment: `java Greedy MIB`.
import java.nio.ByteBuffer;
import java.util.ArrayList;

class Greedy {
    static final ArrayList<ByteBuffer> taken = new ArrayList<>();

    /** False: it is refused. (What is had is zeroed, so that its pages are there.) */
    static boolean takeOne() {
        try {
            return taken.add(ByteBuffer.allocateDirect(1 << 20));
        } catch (OutOfMemoryError refused) {
            return false;
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        int wanted = Integer.parseInt(arguments[0]);
        while (taken.size() < wanted && takeOne())
            ;
        Thread.sleep(200);
        Runtime.getRuntime().halt(0);
    }
}
