// statics_main.cpp - fills the library's statics and ends.
void fill_statics();

int main()
{
    fill_statics();
    return 0;
}
