// A map that is filled once: `java Fill ENTRIES`.
import java.util.HashMap;

class Fill {
    public static void main(String[] arguments) {
        HashMap<Integer, String> map = new HashMap<>();
        int entries = Integer.parseInt(arguments[0]);
        for (int number = 0; number < entries; number++)
            map.put(number, "user " + number + ", seen");
        System.out.println(map.size());
    }
}
